-- The same before the extension's tables are registered: it fails where there is no memory.
VALUES (0) UNION ALL SELECT 0 FROM main.sqlite_schema
