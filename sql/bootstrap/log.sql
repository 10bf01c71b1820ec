-- The order of change. A row stands for one key, or for a run of `keys` keys that were inserted one after
-- another; each key reserves `stride` seqs.
CREATE TABLE IF NOT EXISTS main.crsql_log (
  db_version INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  site INTEGER NOT NULL,
  tbl INTEGER NOT NULL,
  key NOT NULL,
  keys INTEGER NOT NULL,
  stride INTEGER NOT NULL,
  PRIMARY KEY (db_version, seq)
) WITHOUT ROWID
