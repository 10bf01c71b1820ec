SELECT db_version, seq, site FROM main.crsql_log WHERE tbl = ?1 AND key = ?2 AND keys = 1
