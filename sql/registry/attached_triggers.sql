SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'trigger' LIMIT 1
