-- The last column: whether anything was written since. Two look-ups, as SQLite compares a pair of columns by its
-- first one only.
SELECT db_version, seq, schema, digest,
  EXISTS (SELECT 1 FROM main.crsql_digest_touched)
    OR EXISTS (SELECT 1 FROM main.crsql_log AS log WHERE log.db_version > state.db_version)
    OR EXISTS (SELECT 1 FROM main.crsql_log AS log WHERE log.db_version = state.db_version AND log.seq > state.seq)
FROM main.crsql_digest_state AS state
