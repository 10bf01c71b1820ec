INSERT INTO main.crsql_tables (id) SELECT coalesce(max(id), 0) + 1 FROM main.crsql_tables RETURNING id
