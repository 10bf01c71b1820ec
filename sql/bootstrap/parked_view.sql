-- For people: what waits for its table or column, since when, and why it still does where both are here.
CREATE VIEW IF NOT EXISTS main.crsql_parked AS
SELECT tbl AS "table", cid AS "column", count(*) AS "count",
  sum(length(pk) + coalesce(length(CAST(val AS BLOB)), 0)) AS bytes,
  datetime(min(since), 'unixepoch') AS since, max(reason) AS reason
FROM crsql_parked_changes GROUP BY tbl, cid
