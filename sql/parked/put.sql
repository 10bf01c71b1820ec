INSERT INTO main.crsql_parked_changes (tbl, pk, cid, val, col_version, db_version, site_id, cl, seq, since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, unixepoch())
ON CONFLICT (tbl, pk, cid) DO UPDATE SET val = excluded.val, col_version = excluded.col_version,
  db_version = excluded.db_version, site_id = excluded.site_id, cl = excluded.cl, seq = excluded.seq, reason = NULL
