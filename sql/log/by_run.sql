-- Runs of one table never overlap, so the nearest one that starts before the key is the only candidate.
SELECT site, key, keys FROM main.crsql_log
WHERE tbl = ?1 AND keys > 1 AND key <= ?2 ORDER BY key DESC LIMIT 1
