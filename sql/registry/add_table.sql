INSERT INTO main.crsql_tables (id, name) SELECT coalesce(max(id), 0) + 1, ?1 FROM main.crsql_tables RETURNING id
