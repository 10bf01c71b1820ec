-- One version from a seq on: a run that starts before that seq may reach over it.
SELECT db_version, seq, site, tbl, key, keys, stride FROM main.crsql_log
WHERE db_version = ?1 AND seq <= ?3 AND seq >= coalesce(
  (SELECT max(seq) FROM main.crsql_log WHERE db_version = ?1 AND seq <= ?2), 0)
ORDER BY db_version, seq
