-- Where changes of another replica wait for being applied. Its rows are unique, as those of the changelog are.
CREATE TEMP TABLE IF NOT EXISTS incoming(
  key NOT NULL, cell TEXT NOT NULL, op TEXT NOT NULL, updated_at INTEGER NOT NULL, data TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS temp.incoming_cells ON incoming(cell) WHERE op = 'U';
