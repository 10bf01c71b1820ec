SELECT name FROM main.sqlite_schema
WHERE type = 'table' AND substr(name, -13) = '__crsql_clock' ORDER BY name
