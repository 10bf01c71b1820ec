-- One for each column beside the key, {column}.
CREATE TRIGGER t_update_{column} AFTER UPDATE OF {column} ON t
WHEN OLD.{column} IS NOT NEW.{column} AND NOT EXISTS (SELECT 1 FROM applying) BEGIN
  INSERT INTO changelog(tbl, key, cell, op, updated_at)
  VALUES ('t', {new}, '{column}', 'U', unixepoch('subsec') * 1000)
  ON CONFLICT (tbl, key, cell) DO UPDATE
  SET id = (SELECT max(id) + 1 FROM changelog), updated_at = excluded.updated_at;
END;
