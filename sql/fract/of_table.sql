-- The triggers of an ordered table; the name in the middle is the one it had when they were made.
SELECT name, sql FROM main.sqlite_schema
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name GLOB '__crsql_*_fractindex_*'
