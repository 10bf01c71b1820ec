-- Registered tables that were dropped, and the triggers with them. In an alter session a table may be gone
-- for a while.
SELECT id FROM main.crsql_tables WHERE sessions = 0 AND id NOT IN (
  SELECT CAST(substr(name, 7) AS INTEGER) FROM main.sqlite_schema
  WHERE type = 'trigger' AND name = 'crsql_' || CAST(substr(name, 7) AS INTEGER) || '_insert')
