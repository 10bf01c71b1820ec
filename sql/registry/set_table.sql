UPDATE main.crsql_tables SET name = ?2, key = ?3, next_column = ?4, sessions = ?5 WHERE id = ?1
