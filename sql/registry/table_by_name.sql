SELECT CAST(substr(name, 7) AS INTEGER) AS id, tbl_name FROM main.sqlite_schema
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
  AND name = 'crsql_' || CAST(substr(name, 7) AS INTEGER) || '_insert'
  AND EXISTS (SELECT 1 FROM main.crsql_tables WHERE crsql_tables.id = CAST(substr(name, 7) AS INTEGER))
