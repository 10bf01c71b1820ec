-- Deletes nothing: it makes SQLite tell crsql_changes of the end of the transaction and of its savepoints.
DELETE FROM crsql_changes WHERE 0
