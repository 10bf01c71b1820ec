-- One row: where the log stood when the digests were last brought up to date.
CREATE TABLE IF NOT EXISTS main.crsql_digest_state (
  id INTEGER PRIMARY KEY CHECK (id = 0),
  db_version INTEGER NOT NULL, seq INTEGER NOT NULL, schema INTEGER NOT NULL, digest BLOB NOT NULL)
