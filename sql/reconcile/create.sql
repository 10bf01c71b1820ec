-- What the last conversation left alone.
CREATE TABLE IF NOT EXISTS main.crsql_unmatched (
  name TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  since INTEGER NOT NULL
) WITHOUT ROWID
