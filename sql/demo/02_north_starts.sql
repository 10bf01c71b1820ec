-- The northern device has part of the data: the airports of Alaska, from its own copy of the file.
.bail on
.load ./crsql
.read demo/schema.sql

.output /dev/null
SELECT crsql_as_crr('airports');
SELECT crsql_as_crr('planes');
.output

CREATE TEMP TABLE file (faa, name, lat, lon, alt, tz, dst, tzone);
.import --csv --skip 1 --schema temp demo/data/airports.csv file
INSERT INTO airports SELECT * FROM file WHERE tzone = 'America/Anchorage';

SELECT 'north   starts with a part: ' || (SELECT count(*) FROM airports) || ' airports of Alaska';
