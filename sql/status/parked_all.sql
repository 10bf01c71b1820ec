SELECT count(*) FROM main.crsql_parked_changes
