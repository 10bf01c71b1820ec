UPDATE main.crsql_tables SET name = ?2 WHERE id = ?1 AND name <> ?2
