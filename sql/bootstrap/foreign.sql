-- Clock tables of cr-sqlite: another layout, which this release doesn't read.
SELECT name FROM main.sqlite_schema
WHERE type = 'table' AND substr(name, -13) = '__crsql_clock' ORDER BY name LIMIT 1
