-- The row that a position falls into.
SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE db_version = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1
