-- A table's name is that of the table its triggers are on, so that renaming it changes nothing here. `name` is
-- what it was called when its triggers were last made, and counts only where they are all gone.
CREATE TABLE IF NOT EXISTS main.crsql_tables (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '')
