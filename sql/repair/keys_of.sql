-- The same for one table, by id and name.
SELECT tbl, key, kind, cl, clock, db_version, seq, site, stride FROM crsql_check_keys(?1, ?2) ORDER BY tbl, key, kind
