SELECT cl, col_version, val, site_id FROM main.crsql_parked_changes WHERE tbl = ?1 AND pk = ?2 AND cid = ?3
