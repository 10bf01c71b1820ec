UPDATE main.crsql_parked_changes SET reason = NULL WHERE reason IS NOT NULL
