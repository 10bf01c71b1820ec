-- Changes of tables and columns that are not here yet wait for them: see crsql_parked.
.load ./crsql
.read include/shown.sql
CREATE TABLE t (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'here');

.print '-- a peer that has migrated sends a new column and a new table'
INSERT INTO crsql_changes VALUES ('t', x'010901', 'w', 'theirs', 1, 5, x'50', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010902', 'v', 'two', 1, 5, x'50', 1, 1);
INSERT INTO crsql_changes VALUES ('t', x'010902', 'w', 'old', 1, 5, x'50', 1, 2);
INSERT INTO crsql_changes VALUES ('t', x'010902', 'w', 'newer', 2, 6, x'50', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010902', 'w', 'old', 1, 5, x'50', 1, 2);
INSERT INTO crsql_changes VALUES ('u', x'010b0161', 'x', 1, 1, 7, x'50', 1, 0);
INSERT INTO crsql_changes VALUES ('u', x'010b0161', 'y', 2, 1, 7, x'50', 1, 1);
INSERT INTO crsql_changes VALUES ('u', x'010b0162', 'x', 3, 1, 7, x'50', 1, 2);
INSERT INTO crsql_changes VALUES ('u', x'010b0162', '-1', NULL, 2, 8, x'50', 2, 0);
SELECT "table", "column", "count", bytes, since IS NOT NULL, reason FROM crsql_parked;
SELECT * FROM t;

.print '-- the column arrives in an alter session'
SELECT crsql_begin_alter('t');
ALTER TABLE t ADD COLUMN w;
SELECT crsql_commit_alter('t');
SELECT * FROM t;
SELECT * FROM shown;
SELECT "table", "column", "count" FROM crsql_parked;

.print '-- the table arrives: the deleted row stays deleted'
CREATE TABLE u (k TEXT PRIMARY KEY NOT NULL, x, y);
SELECT crsql_as_crr('u');
SELECT * FROM u;
SELECT * FROM shown WHERE "table" = 'u';
SELECT count(*) FROM crsql_parked;

.print '-- after a plain ALTER TABLE they are merged with the next changes that arrive'
INSERT INTO crsql_changes VALUES ('u', x'010b0161', 'z', 'zed', 1, 9, x'50', 1, 0);
ALTER TABLE u ADD COLUMN z;
SELECT * FROM u;
INSERT INTO crsql_changes VALUES ('u', x'010b0163', 'x', 4, 1, 10, x'50', 1, 0);
SELECT * FROM u;

.print '-- what the table refuses stays, with the reason, and is tried again'
INSERT INTO crsql_changes VALUES ('late', x'010901', 'v', -1, 1, 11, x'50', 1, 0);
CREATE TABLE late (id INTEGER PRIMARY KEY, v CHECK (v > 0));
SELECT crsql_as_crr('late');
SELECT "table", "column", "count", reason FROM crsql_parked;
DROP TABLE late;
CREATE TABLE late (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('late');
SELECT * FROM late;
SELECT count(*) FROM crsql_parked;

.print '-- who would rather have an error'
SELECT crsql_config_get('unknown-changes'), crsql_config_set('unknown-changes', 'reject'), crsql_config_get('unknown-changes');
INSERT INTO crsql_changes VALUES ('t', x'010901', 'nope', 1, 1, 12, x'50', 1, 0);
INSERT INTO crsql_changes VALUES ('nope', x'010901', 'v', 1, 1, 12, x'50', 1, 0);
SELECT count(*) FROM crsql_parked;
