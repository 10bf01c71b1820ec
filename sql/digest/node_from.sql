SELECT last, rank, rows, digest FROM main.crsql_digest_nodes
WHERE tbl = ?1 AND part = ?2 AND level = ?3 AND last >= ?4 ORDER BY last LIMIT 1
