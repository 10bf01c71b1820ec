-- A table's name is that of the table its triggers are on, so that renaming it changes nothing here; `name` is
-- what it was when they were made, and `key` what its key was. `next_column` is the id that the next new
-- column gets; `sessions` counts the alter sessions that are open.
CREATE TABLE IF NOT EXISTS main.crsql_tables (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  key BLOB NOT NULL,
  next_column INTEGER NOT NULL,
  sessions INTEGER NOT NULL DEFAULT 0
)
