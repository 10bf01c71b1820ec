SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE (db_version, seq) > (?1, ?2) ORDER BY db_version, seq
