UPDATE main.{rows} SET clock = ?2 WHERE key = ?1
