-- INSERT OR REPLACE fires no delete trigger: the capture of the insert must know that the key was there.
CREATE TRIGGER main.{trigger} BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} AS there WHERE {key_is_new})
BEGIN SELECT crsql_capture_existing({identity}, {new_key}); END
