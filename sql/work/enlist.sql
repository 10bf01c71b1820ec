-- Deletes nothing: it makes SQLite tell of the end of the transaction and of its savepoints.
DELETE FROM crsql_transaction WHERE 0
