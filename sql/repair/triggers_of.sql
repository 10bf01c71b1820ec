-- In the order of their making, which decides about the order in which they run.
SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'crsql_' || ?1 || '_*' ORDER BY rowid
