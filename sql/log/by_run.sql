SELECT db_version, seq, site, key, stride FROM main.crsql_log
WHERE tbl = ?1 AND keys > 1 AND key <= ?2 AND key + keys > ?2 ORDER BY key DESC
