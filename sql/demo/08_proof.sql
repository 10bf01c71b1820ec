-- Are the three databases equal? Asked without the extension, by plain SQL.
.bail on
ATTACH 'office.db' AS office;
ATTACH 'north.db' AS north;
ATTACH 'west.db' AS west;

.mode box
SELECT 'airports' AS "table",
    (SELECT count(*) FROM office.airports) AS office,
    (SELECT count(*) FROM north.airports) AS north,
    (SELECT count(*) FROM west.airports) AS west,
    (SELECT count(*) FROM (SELECT * FROM office.airports EXCEPT SELECT * FROM north.airports)) AS "office-north",
    (SELECT count(*) FROM (SELECT * FROM north.airports EXCEPT SELECT * FROM office.airports)) AS "north-office",
    (SELECT count(*) FROM (SELECT * FROM office.airports EXCEPT SELECT * FROM west.airports)) AS "office-west",
    (SELECT count(*) FROM (SELECT * FROM west.airports EXCEPT SELECT * FROM office.airports)) AS "west-office"
UNION ALL
SELECT 'planes',
    (SELECT count(*) FROM office.planes),
    (SELECT count(*) FROM north.planes),
    (SELECT count(*) FROM west.planes),
    (SELECT count(*) FROM (SELECT * FROM office.planes EXCEPT SELECT * FROM north.planes)),
    (SELECT count(*) FROM (SELECT * FROM north.planes EXCEPT SELECT * FROM office.planes)),
    (SELECT count(*) FROM (SELECT * FROM office.planes EXCEPT SELECT * FROM west.planes)),
    (SELECT count(*) FROM (SELECT * FROM west.planes EXCEPT SELECT * FROM office.planes));
.mode list
.print
.print 'SHA3 of every value and its type, in office, north and west:'
.open office.db
SELECT lower(hex(sha3_query('SELECT * FROM airports ORDER BY faa; SELECT * FROM planes ORDER BY tailnum', 256)));
.open north.db
SELECT lower(hex(sha3_query('SELECT * FROM airports ORDER BY faa; SELECT * FROM planes ORDER BY tailnum', 256)));
.open west.db
SELECT lower(hex(sha3_query('SELECT * FROM airports ORDER BY faa; SELECT * FROM planes ORDER BY tailnum', 256)));
