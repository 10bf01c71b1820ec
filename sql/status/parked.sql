SELECT count(*) FROM main.crsql_parked_changes WHERE tbl = ?1 COLLATE NOCASE
