DELETE FROM main.crsql_digest_dead WHERE tbl = ?1 AND key = ?2
