SELECT cl, clock FROM temp.crsql_upgrade_records WHERE id = ?1
