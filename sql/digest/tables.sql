SELECT id FROM main.crsql_tables ORDER BY id
