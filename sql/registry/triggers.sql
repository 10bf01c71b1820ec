SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'crsql_' || ?1 || '_*'
