SELECT id, name FROM main.crsql_columns WHERE tbl = ?1 ORDER BY id
