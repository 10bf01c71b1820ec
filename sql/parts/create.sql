-- Parts of transactions that are too large for one changeset, until all of them are there.
CREATE TABLE IF NOT EXISTS main.crsql_parts (
  site BLOB NOT NULL,
  db_version INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  is_last INTEGER NOT NULL,
  since INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (site, db_version, first_seq, last_seq)
)
