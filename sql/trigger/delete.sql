CREATE TRIGGER main.{trigger} AFTER DELETE ON {table}
BEGIN SELECT crsql_capture_delete({identity}, {old_key}); END
