-- What is known of every key of every replicated table, key by key. The sorter of SQLite does its work on disk
-- where it is too much for its memory.
SELECT tbl, key, kind, cl, clock, db_version, seq, site, stride FROM crsql_check_keys ORDER BY tbl, key, kind
