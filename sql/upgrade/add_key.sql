INSERT OR IGNORE INTO temp.crsql_upgrade_keys (tbl, key) VALUES (?1, ?2)
