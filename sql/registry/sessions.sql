SELECT id FROM main.crsql_tables WHERE sessions > 0
