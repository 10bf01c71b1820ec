-- In an alter session the columns change: the triggers name none of them but those of the key.
CREATE TRIGGER main.{trigger} BEFORE UPDATE ON {table}
BEGIN SELECT crsql_capture_before({identity}, {old_key}); END
