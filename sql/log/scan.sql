SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE db_version >= ?1 AND db_version <= ?2 ORDER BY db_version, seq
