CREATE TRIGGER main.{trigger} BEFORE UPDATE OF {rowid_names} ON {table} WHEN {is_taken}
BEGIN SELECT RAISE(ABORT, {refusal}); END
