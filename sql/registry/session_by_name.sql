-- A table in an alter session, by the name it had when that began.
SELECT id FROM main.crsql_tables WHERE sessions > 0 AND name = ?1 COLLATE NOCASE
