-- Registered tables that were dropped, and the triggers with them. A table that is there without its insert
-- trigger has lost that in another way and can be repaired, unless it is about to be made replicated anew (?1).
SELECT id FROM main.crsql_tables AS registered
WHERE id NOT IN (
  SELECT CAST(substr(name, 7) AS INTEGER) FROM main.sqlite_schema
  WHERE type = 'trigger' AND name = 'crsql_' || CAST(substr(name, 7) AS INTEGER) || '_insert')
AND NOT EXISTS (
  SELECT 1 FROM main.sqlite_schema AS there
  WHERE there.name <> ?1 COLLATE NOCASE AND (
    there.type = 'table' AND there.name = registered.name COLLATE NOCASE
    OR there.type = 'trigger' AND there.name GLOB 'crsql_' || registered.id || '_*'
      AND there.tbl_name <> ?1 COLLATE NOCASE))
