CREATE TRIGGER main.{trigger} BEFORE UPDATE OF {rowid_names} ON {table}
WHEN NEW.{rowid} <> OLD.{rowid} AND {is_taken}
BEGIN SELECT RAISE(ABORT, {refusal}); END
