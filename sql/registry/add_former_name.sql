INSERT OR IGNORE INTO main.crsql_former_names (name, tbl, column) VALUES (?1, ?2, ?3)
