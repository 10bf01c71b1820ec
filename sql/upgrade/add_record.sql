INSERT INTO temp.crsql_upgrade_records (id, key, cl, clock) VALUES (?1, ?2, ?3, ?4)
