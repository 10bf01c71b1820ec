SELECT db_version, seq, schema, digest, EXISTS (SELECT 1 FROM main.crsql_digest_touched)
FROM main.crsql_digest_state
