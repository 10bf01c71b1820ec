-- The registered tables, each with the name of the table that its triggers are on. Where they are all gone it is
-- what was noted when they were made, if a table of that name is there that no other registered table claims.
SELECT registered.id, coalesce(
  (SELECT tbl_name FROM main.sqlite_schema
   WHERE type = 'trigger' AND name GLOB 'crsql_' || registered.id || '_*' LIMIT 1),
  (SELECT there.name FROM main.sqlite_schema AS there
   WHERE there.type = 'table' AND there.name = registered.name COLLATE NOCASE
     AND NOT EXISTS (
       SELECT 1 FROM main.sqlite_schema AS claim
       WHERE claim.type = 'trigger' AND claim.tbl_name = there.name AND claim.name GLOB 'crsql_[1-9]*_*')
     AND NOT EXISTS (
       SELECT 1 FROM main.crsql_tables AS later
       WHERE later.name = registered.name COLLATE NOCASE AND later.id > registered.id))),
  EXISTS (
    SELECT 1 FROM main.sqlite_schema AS made
    WHERE made.type = 'trigger' AND made.name = 'crsql_' || registered.id || '_insert')
FROM main.crsql_tables AS registered ORDER BY registered.id
