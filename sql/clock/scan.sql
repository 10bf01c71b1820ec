SELECT key, cl, clock FROM main.{rows} WHERE key >= ?1 ORDER BY key
