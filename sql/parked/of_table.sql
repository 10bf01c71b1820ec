-- One by one, so that they can be removed meanwhile; the changes of a row come together.
SELECT tbl, pk, cid, val, col_version, db_version, site_id, cl, seq FROM main.crsql_parked_changes
WHERE tbl = ?1 AND (pk, cid) > (?2, ?3) AND reason IS NULL ORDER BY pk, cid LIMIT 1
