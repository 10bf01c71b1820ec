-- The trigger that follows the columns' names through an alter session.
SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name = 'crsql_' || ?1 || '_columns'
