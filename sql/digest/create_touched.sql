-- Keys whose rows were written without a log entry.
CREATE TABLE IF NOT EXISTS main.crsql_digest_touched (
  tbl INTEGER NOT NULL, key NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID
