DELETE FROM main.crsql_master WHERE key = ?1
