-- Triggers and record tables of tables that are not registered.
SELECT type, name FROM main.sqlite_schema
WHERE type = 'trigger' AND name GLOB 'crsql_[1-9]*_*'
  AND CAST(substr(name, 7) AS INTEGER) NOT IN (SELECT id FROM main.crsql_tables)
UNION ALL
SELECT type, name FROM main.sqlite_schema
WHERE type = 'table' AND name GLOB 'crsql_rows_[0-9]*'
  AND CAST(substr(name, 12) AS INTEGER) NOT IN (SELECT id FROM main.crsql_tables)
