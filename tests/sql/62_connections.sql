-- Several connections to one file: one clock, and every one sees what another made replicated.
.open one.db
PRAGMA journal_mode = WAL;
.load ./crsql
.connection 1
.open one.db
.load ./crsql
.connection 0
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'zero');
.connection 1
INSERT INTO t VALUES (2, 'one');
SELECT crsql_db_version();
.connection 0
SELECT crsql_db_version();
UPDATE t SET v = 'zero again' WHERE id = 2;
BEGIN;
INSERT INTO t VALUES (3, 'later');
.connection 1
.print '-- an open transaction of another connection is not seen'
SELECT crsql_db_version(), (SELECT count(*) FROM crsql_changes);
.connection 0
COMMIT;
.connection 1
INSERT INTO t VALUES (4, 'one more');
SELECT val, col_version, db_version, seq FROM crsql_changes;
.print '-- a table upgraded there is recorded here'
.connection 0
CREATE TABLE u (id INTEGER PRIMARY KEY NOT NULL, v, w);
SELECT crsql_as_crr('u');
.connection 1
INSERT INTO u VALUES (1, 'v', 'w');
SELECT cid, val, db_version FROM crsql_changes WHERE "table" = 'u';
.print '-- the version is the same after everything is closed and opened again'
SELECT crsql_db_version();
.connection close 0
.open one.db
.load ./crsql
SELECT crsql_db_version(), max(db_version) FROM crsql_changes;
