SELECT 1 FROM temp.crsql_upgrade_keys WHERE tbl = ?1 AND key = ?2
