-- What tables and columns were called before, for the changes of peers that still call them so. The column of a
-- table's own name is -1.
CREATE TABLE IF NOT EXISTS main.crsql_former_names (
  name TEXT NOT NULL COLLATE NOCASE,
  tbl INTEGER NOT NULL,
  column INTEGER NOT NULL,
  PRIMARY KEY (name, tbl, column)
) WITHOUT ROWID
