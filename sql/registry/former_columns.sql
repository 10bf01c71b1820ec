SELECT name, column FROM main.crsql_former_names WHERE tbl = ?1 AND column >= 0 ORDER BY column
