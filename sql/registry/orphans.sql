-- Registered tables that were dropped, and the triggers with them. In an alter session a table may be gone for a
-- while. A table that is there without its insert trigger, and that is no other registered one, has lost that in
-- another way and can be adopted, unless it is about to be made replicated anew (?1).
SELECT registered.id FROM main.crsql_tables AS registered
WHERE registered.sessions = 0 AND registered.id NOT IN (
  SELECT CAST(substr(made.name, 7) AS INTEGER) FROM main.sqlite_schema AS made
  WHERE made.type = 'trigger' AND made.name = 'crsql_' || CAST(substr(made.name, 7) AS INTEGER) || '_insert')
AND NOT EXISTS (
  SELECT 1 FROM main.sqlite_schema AS left_over
  WHERE left_over.type = 'trigger' AND left_over.name GLOB 'crsql_' || registered.id || '_*'
    AND left_over.tbl_name <> ?1 COLLATE NOCASE)
AND NOT EXISTS (
  SELECT 1 FROM main.sqlite_schema AS there
  WHERE there.type = 'table' AND there.name = registered.name COLLATE NOCASE AND there.name <> ?1 COLLATE NOCASE
    AND NOT EXISTS (
      SELECT 1 FROM main.sqlite_schema AS claim
      WHERE claim.type = 'trigger' AND claim.tbl_name = there.name AND claim.name GLOB 'crsql_[1-9]*_*'))
