SELECT 1 FROM main.crsql_parked_changes LIMIT 1
