-- The triggers of table t. {new} and {old} stand for the key before and after, as the changelog has it, {new_columns} and
-- {old_columns} for its columns. An upsert, and not OR REPLACE: the conflict clause of the application's statement would override that one.
CREATE TRIGGER t_insert AFTER INSERT ON t WHEN NOT EXISTS (SELECT 1 FROM applying) BEGIN
  INSERT INTO changelog(tbl, key, cell, op, updated_at)
  VALUES ('t', {new}, '', 'I', unixepoch('subsec') * 1000)
  ON CONFLICT (tbl, key, cell) DO UPDATE
  SET id = (SELECT max(id) + 1 FROM changelog), op = excluded.op, updated_at = excluded.updated_at;
END;

CREATE TRIGGER t_delete AFTER DELETE ON t WHEN NOT EXISTS (SELECT 1 FROM applying) BEGIN
  DELETE FROM changelog WHERE tbl = 't' AND key = {old} AND cell > '';
  INSERT INTO changelog(tbl, key, cell, op, updated_at)
  VALUES ('t', {old}, '', 'D', unixepoch('subsec') * 1000)
  ON CONFLICT (tbl, key, cell) DO UPDATE
  SET id = (SELECT max(id) + 1 FROM changelog), op = excluded.op, updated_at = excluded.updated_at;
END;

-- A changed key is a row deleted and another one inserted.
CREATE TRIGGER t_key AFTER UPDATE OF {key_columns} ON t
WHEN ({old_columns}) IS NOT ({new_columns}) AND NOT EXISTS (SELECT 1 FROM applying) BEGIN
  DELETE FROM changelog WHERE tbl = 't' AND key = {old} AND cell > '';
  INSERT INTO changelog(tbl, key, cell, op, updated_at)
  VALUES ('t', {old}, '', 'D', unixepoch('subsec') * 1000), ('t', {new}, '', 'I', unixepoch('subsec') * 1000)
  ON CONFLICT (tbl, key, cell) DO UPDATE
  SET id = (SELECT max(id) + 1 FROM changelog), op = excluded.op, updated_at = excluded.updated_at;
END;
