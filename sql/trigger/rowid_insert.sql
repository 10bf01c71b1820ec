-- The rowid is no part of this table's key, but taking another row's would remove that row unnoticed.
CREATE TRIGGER main.{trigger} BEFORE INSERT ON {table} WHEN {is_taken}
BEGIN SELECT RAISE(ABORT, {refusal}); END
