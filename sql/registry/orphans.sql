-- Registered tables that were dropped, and the triggers with them.
SELECT id FROM main.crsql_tables WHERE id NOT IN (
  SELECT CAST(substr(name, 7) AS INTEGER) FROM main.sqlite_schema
  WHERE type = 'trigger' AND name = 'crsql_' || CAST(substr(name, 7) AS INTEGER) || '_insert')
