-- The western device starts from nothing.
.bail on
.load ./crsql
.read demo/schema.sql

.output /dev/null
SELECT crsql_as_crr('airports');
SELECT crsql_as_crr('planes');
.output

SELECT 'west    starts from nothing: ' || (SELECT count(*) FROM airports) || ' airports';
