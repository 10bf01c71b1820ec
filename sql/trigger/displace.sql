-- UPDATE OR REPLACE onto another row's key removes that row without a delete trigger.
CREATE TRIGGER main.{trigger} BEFORE UPDATE OF {key_names} ON {table}
WHEN ({key_differs}) AND EXISTS (SELECT 1 FROM {table} AS there WHERE {key_is_new})
BEGIN SELECT crsql_capture_existing({identity}, {new_key}); END
