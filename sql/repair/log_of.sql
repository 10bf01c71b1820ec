SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log WHERE tbl = ?1 ORDER BY db_version, seq
