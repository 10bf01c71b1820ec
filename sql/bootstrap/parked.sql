-- Changes of tables and columns that are not here yet: of each cell the one that wins. `reason` says why a
-- change stays although its table and column are here.
CREATE TABLE IF NOT EXISTS main.crsql_parked_changes (
  tbl TEXT NOT NULL,
  pk BLOB NOT NULL,
  cid TEXT NOT NULL,
  val,
  col_version INTEGER NOT NULL,
  db_version INTEGER NOT NULL,
  site_id BLOB,
  cl INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  since INTEGER NOT NULL,
  reason TEXT,
  PRIMARY KEY (tbl, pk, cid)
) WITHOUT ROWID
