SELECT name, reason FROM main.crsql_unmatched ORDER BY name
