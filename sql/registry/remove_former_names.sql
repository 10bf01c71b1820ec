-- Of columns that are gone, or of a table that is.
DELETE FROM main.crsql_former_names WHERE tbl = ?1
  AND column NOT IN (SELECT id FROM main.crsql_columns WHERE crsql_columns.tbl = ?1)
  AND (column >= 0 OR NOT EXISTS (SELECT 1 FROM main.crsql_tables WHERE crsql_tables.id = ?1))
