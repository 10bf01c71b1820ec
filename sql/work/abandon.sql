-- Deletes nothing.
DELETE FROM main.crsql_master WHERE 0
