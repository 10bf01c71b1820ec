DELETE FROM main.crsql_tables WHERE id = ?1
