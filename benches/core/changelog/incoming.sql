-- Where changes of another replica wait for being applied.
CREATE TEMP TABLE IF NOT EXISTS incoming(
  key NOT NULL, cell TEXT NOT NULL, op TEXT NOT NULL, updated_at INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (key, cell)
);
