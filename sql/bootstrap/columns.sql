-- Ids are never given twice. `place` orders the columns as they were declared, `is_captured` says whether the
-- triggers name the column. A late column was added to a table that had rows, all of which then held
-- `late_default`.
CREATE TABLE IF NOT EXISTS main.crsql_columns (
  tbl INTEGER NOT NULL,
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  place INTEGER NOT NULL,
  is_captured INTEGER NOT NULL,
  is_late INTEGER NOT NULL,
  late_default,
  PRIMARY KEY (tbl, id)
) WITHOUT ROWID
