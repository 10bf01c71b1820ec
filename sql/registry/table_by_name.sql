SELECT CAST(substr(name, 7) AS INTEGER) AS id, tbl_name FROM main.sqlite_schema AS made
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
  AND name = 'crsql_' || CAST(substr(name, 7) AS INTEGER) || '_insert'
  AND EXISTS (SELECT 1 FROM main.crsql_tables AS registered WHERE registered.id = CAST(substr(made.name, 7) AS INTEGER))
