DELETE FROM main.crsql_columns WHERE tbl = ?1
