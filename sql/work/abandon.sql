-- Deletes nothing, but looks at every row: SQLite asks between them whether it is interrupted.
DELETE FROM main.crsql_master WHERE value IS NULL
