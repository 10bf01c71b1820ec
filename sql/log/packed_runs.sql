SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE keys > 1 AND typeof(key) = 'blob'
