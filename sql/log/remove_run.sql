DELETE FROM main.crsql_log WHERE db_version = ?1 AND seq = ?2
