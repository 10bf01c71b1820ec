INSERT INTO main.crsql_columns (tbl, id, name) VALUES (?1, ?2, ?3)
