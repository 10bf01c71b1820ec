SELECT id, name, place, is_captured, is_late, late_default FROM main.crsql_columns WHERE tbl = ?1 ORDER BY id
