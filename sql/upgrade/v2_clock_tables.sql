-- Of the development version 0.18 of Fly's fork.
SELECT name FROM main.sqlite_schema
WHERE type = 'table' AND substr(name, -16) = '__crsql_v2_clock' ORDER BY name
