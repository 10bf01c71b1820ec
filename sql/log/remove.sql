-- A row of one key only: others are split.
DELETE FROM main.crsql_log WHERE db_version = ?1 AND seq = ?2 AND keys = 1
