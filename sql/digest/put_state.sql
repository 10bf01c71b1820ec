INSERT OR REPLACE INTO main.crsql_digest_state (id, db_version, seq, schema, digest)
VALUES (0, ?1, ?2, ?3, ?4)
