SELECT ?1, tbl_name FROM main.sqlite_schema WHERE type = 'trigger' AND name = 'crsql_' || ?1 || '_insert'
