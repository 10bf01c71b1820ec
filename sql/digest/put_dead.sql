INSERT OR REPLACE INTO main.crsql_digest_dead (tbl, key, cl) VALUES (?1, ?2, ?3)
