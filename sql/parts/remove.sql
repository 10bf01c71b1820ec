DELETE FROM main.crsql_parts WHERE site = ?1 AND db_version = ?2
