CREATE TABLE IF NOT EXISTS main.crsql_digest_trees (
  tbl INTEGER PRIMARY KEY, columns BLOB NOT NULL, is_exact INTEGER NOT NULL,
  live_level INTEGER NOT NULL, live_rows INTEGER NOT NULL, live BLOB NOT NULL,
  dead_level INTEGER NOT NULL, dead_rows INTEGER NOT NULL, dead BLOB NOT NULL)
