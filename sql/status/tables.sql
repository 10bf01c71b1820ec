-- The replicated tables, and those that only changes wait for.
SELECT t.id, s.tbl_name FROM main.crsql_tables AS t
JOIN main.sqlite_schema AS s ON s.type = 'trigger' AND s.name = 'crsql_' || t.id || '_insert'
UNION ALL
SELECT DISTINCT NULL, p.tbl FROM main.crsql_parked_changes AS p WHERE NOT EXISTS (
  SELECT 1 FROM main.crsql_tables AS t
  JOIN main.sqlite_schema AS s ON s.type = 'trigger' AND s.name = 'crsql_' || t.id || '_insert'
  WHERE s.tbl_name = p.tbl COLLATE NOCASE)
ORDER BY 2
