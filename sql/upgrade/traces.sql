-- Tables that only cr-sqlite makes.
SELECT EXISTS (
  SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND (
    substr(name, -13) = '__crsql_clock' OR substr(name, -16) = '__crsql_v2_clock' OR name = '__crsql_siteid'))
