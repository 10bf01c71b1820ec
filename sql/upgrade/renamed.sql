-- SQLite moves triggers with their table, and cr-sqlite doesn't notice the new name.
SELECT tbl_name FROM main.sqlite_schema WHERE type = 'trigger' AND name = ?1 || '__crsql_itrig'
