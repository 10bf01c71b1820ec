-- A table that was renamed, and whose new name may not be registered yet; of several, the one that came last.
SELECT tbl FROM (
  SELECT tbl FROM main.crsql_former_names WHERE name = ?1 AND column = -1
  UNION ALL
  SELECT id FROM main.crsql_tables WHERE name = ?1 COLLATE NOCASE)
ORDER BY tbl DESC LIMIT 1
