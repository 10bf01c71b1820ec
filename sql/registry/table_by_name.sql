SELECT id, tbl_name FROM main.sqlite_schema JOIN main.crsql_tables ON name = 'crsql_' || id || '_insert'
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
