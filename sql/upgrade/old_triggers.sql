-- What cr-sqlite made on a table, or the fork on its table of sites.
SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND (
  substr(name, -13) IN ('__crsql_itrig', '__crsql_utrig', '__crsql_dtrig')
  OR name IN ('crsql_site_id_insert_trig', 'crsql_site_id_update_trig', 'crsql_site_id_delete_trig'))
