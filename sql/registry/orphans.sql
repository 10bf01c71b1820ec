-- Registered tables that were dropped, and the triggers with them.
SELECT id FROM main.crsql_tables WHERE NOT EXISTS (
  SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND name = 'crsql_' || id || '_insert')
