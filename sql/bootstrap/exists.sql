SELECT count(*) FROM main.sqlite_schema
WHERE type = 'table' AND name IN (
  'crsql_master', 'crsql_site_id', 'crsql_tracked_peers', 'crsql_tables', 'crsql_columns', 'crsql_log',
  'crsql_parked_changes', 'crsql_former_names', 'crsql_peer_times')
