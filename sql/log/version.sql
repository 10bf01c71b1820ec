-- The right edge of the log, or what is kept in its place when entries were dropped.
SELECT max(
  coalesce((SELECT db_version FROM main.crsql_log ORDER BY db_version DESC LIMIT 1), 0),
  coalesce((SELECT value FROM main.crsql_master WHERE key = 'crsql_db_version_floor'), 0))
