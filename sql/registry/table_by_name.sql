SELECT CAST(substr(s.name, 7) AS INTEGER) AS id, s.tbl_name FROM main.sqlite_schema AS s
WHERE s.type = 'trigger' AND s.tbl_name = ?1 COLLATE NOCASE
  AND s.name = 'crsql_' || CAST(substr(s.name, 7) AS INTEGER) || '_insert'
  AND EXISTS (SELECT 1 FROM main.crsql_tables AS t WHERE t.id = CAST(substr(s.name, 7) AS INTEGER))
