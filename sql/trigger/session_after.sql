CREATE TRIGGER main.{trigger} AFTER UPDATE ON {table}
BEGIN SELECT crsql_capture_after({identity}, {old_key}, {new_key}); END
