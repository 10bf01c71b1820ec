DELETE FROM main.crsql_digest_dead WHERE tbl = ?1
