SELECT coalesce(sum(keys), 0) FROM main.crsql_log WHERE tbl = ?1
