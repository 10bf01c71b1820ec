SELECT name, key, next_column, sessions FROM main.crsql_tables WHERE id = ?1
