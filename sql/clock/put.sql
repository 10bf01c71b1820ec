INSERT OR REPLACE INTO main.{rows} (key, cl, clock) VALUES (?1, ?2, ?3)
