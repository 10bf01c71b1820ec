SELECT 1 FROM main.crsql_unmatched LIMIT 1
