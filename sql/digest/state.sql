-- The last column: whether anything was written since.
SELECT db_version, seq, schema, digest,
  EXISTS (SELECT 1 FROM main.crsql_digest_touched)
    OR EXISTS (SELECT 1 FROM main.crsql_log WHERE (db_version, seq) > (state.db_version, state.seq))
FROM main.crsql_digest_state AS state
