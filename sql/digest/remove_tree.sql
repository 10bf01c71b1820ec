DELETE FROM main.crsql_digest_trees WHERE tbl = ?1
