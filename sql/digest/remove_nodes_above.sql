DELETE FROM main.crsql_digest_nodes WHERE tbl = ?1 AND part = ?2 AND level > ?3
