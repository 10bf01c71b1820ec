-- The office has all the data. Its tables held rows before they became replicated.
.bail on
.load ./crsql
.read demo/schema.sql

.import --csv --skip 1 demo/data/airports.csv airports
.import --csv --skip 1 demo/data/planes.csv planes
UPDATE airports SET tzone = NULL WHERE tzone = 'NA';
UPDATE planes SET year = NULL WHERE year = 'NA';
UPDATE planes SET speed = NULL WHERE speed = 'NA';

.output /dev/null
SELECT crsql_as_crr('airports');
SELECT crsql_as_crr('planes');
.output

SELECT 'office  starts with all of it: '
    || (SELECT count(*) FROM airports) || ' airports and '
    || (SELECT count(*) FROM planes) || ' planes';
