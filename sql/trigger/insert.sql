CREATE TRIGGER main.{trigger} AFTER INSERT ON {table}
BEGIN SELECT crsql_capture_insert({identity}, {new_key}{late}); END
