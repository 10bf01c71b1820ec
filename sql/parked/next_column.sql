-- The next table and column that something waits for.
SELECT tbl, cid FROM main.crsql_parked_changes WHERE (tbl, cid) > (?1, ?2) ORDER BY tbl, cid LIMIT 1
