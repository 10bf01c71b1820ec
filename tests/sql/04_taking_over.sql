-- A database of cr-sqlite 0.16 is taken over in place by crsql_upgrade(): same site id, same changes.
.read include/u16.sql
.load ./crsql
.read include/shown.sql
.print '-- before: it loads, and stays as it is'
SELECT crsql_db_version();
SELECT count(*) FROM crsql_changes;
INSERT INTO t VALUES (9, 'nine', 9);
SELECT crsql_version() > 0;

.print '-- the upgrade says what it did'
SELECT json_extract(report, '$.layout'), json_extract(report, '$.site_id'), json_extract(report, '$.db_version'),
    json_extract(report, '$.tables[0]')
FROM (SELECT crsql_upgrade() AS report);

.print '-- the same changes as cr-sqlite showed'
SELECT * FROM shown;
SELECT crsql_db_version();
SELECT count(*) FROM sqlite_master WHERE name LIKE '%crsql_clock' OR name LIKE '%crsql_pks' OR name LIKE '%trig';

.print '-- from here on it is like any other'
INSERT INTO t VALUES (9, 'nine', 9);
UPDATE t SET n = 11 WHERE id = 1;
SELECT * FROM shown WHERE db_version > 6;

.print '-- a second time there is nothing to do'
SELECT crsql_upgrade();
