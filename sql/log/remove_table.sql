DELETE FROM main.crsql_log WHERE tbl = ?1
