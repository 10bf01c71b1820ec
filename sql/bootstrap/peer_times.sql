-- When crsql_tracked_peers was written: its own columns are those that programs expect.
CREATE TABLE IF NOT EXISTS main.crsql_peer_times (
  site_id BLOB NOT NULL,
  tag INTEGER NOT NULL,
  event INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (site_id, tag, event)
) WITHOUT ROWID
