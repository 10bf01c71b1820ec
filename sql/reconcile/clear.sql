DELETE FROM main.crsql_unmatched
