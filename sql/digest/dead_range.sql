SELECT key, cl FROM main.crsql_digest_dead WHERE tbl = ?1 AND key > ?2 AND key <= ?3 ORDER BY key
