SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log ORDER BY db_version, seq
