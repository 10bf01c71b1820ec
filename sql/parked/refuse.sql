UPDATE main.crsql_parked_changes SET reason = ?4 WHERE tbl = ?1 AND pk = ?2 AND cid = ?3
