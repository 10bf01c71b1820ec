-- A table's name is that of the table its triggers are on, so that renaming it changes nothing here.
CREATE TABLE IF NOT EXISTS main.crsql_tables (id INTEGER PRIMARY KEY)
