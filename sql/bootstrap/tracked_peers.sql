-- Never read or written here: a place for the programs that carry changes to note how far they got.
CREATE TABLE IF NOT EXISTS main.crsql_tracked_peers (
  site_id BLOB NOT NULL,
  version INTEGER NOT NULL,
  seq INTEGER DEFAULT 0,
  tag INTEGER,
  event INTEGER,
  PRIMARY KEY (site_id, tag, event)
) STRICT
