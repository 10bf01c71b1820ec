-- Views whose table was dropped, and its triggers with it.
SELECT v.name FROM main.sqlite_schema AS v JOIN main.sqlite_schema AS i
  ON i.type = 'trigger' AND i.tbl_name = v.name AND i.name = v.name || '_insert_trig'
WHERE v.type = 'view' AND v.name GLOB '*_fractindex' AND NOT EXISTS (
  SELECT 1 FROM main.sqlite_schema AS p
  WHERE p.type = 'trigger' AND p.name = '__crsql_' || v.name || '_pend_trig')
