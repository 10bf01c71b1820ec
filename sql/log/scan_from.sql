-- The rest of the log from a position on: a run that starts before it may reach over it.
SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE (db_version, seq) >= (?1, coalesce(
  (SELECT max(seq) FROM main.crsql_log WHERE db_version = ?1 AND seq <= ?2), 0))
ORDER BY db_version, seq
