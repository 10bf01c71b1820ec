INSERT OR IGNORE INTO main.crsql_digest_touched (tbl, key) VALUES (?1, ?2)
