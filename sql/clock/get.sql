SELECT cl, clock FROM main.{rows} WHERE key = ?1
