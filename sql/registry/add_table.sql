INSERT INTO main.crsql_tables (id, name, key, next_column)
SELECT coalesce(max(id), 0) + 1, ?1, ?2, ?3 FROM main.crsql_tables RETURNING id
