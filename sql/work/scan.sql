-- Gives one row. The next one it asks the table for, which may answer with an error.
VALUES (0) UNION ALL SELECT 0 FROM crsql_transaction
