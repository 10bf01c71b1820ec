UPDATE temp.crsql_upgrade_records SET clock = ?2 WHERE id = ?1
