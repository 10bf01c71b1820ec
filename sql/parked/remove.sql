DELETE FROM main.crsql_parked_changes WHERE tbl = ?1 AND pk = ?2 AND cid = ?3
