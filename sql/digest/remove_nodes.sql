DELETE FROM main.crsql_digest_nodes WHERE tbl = ?1
