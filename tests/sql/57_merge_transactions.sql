-- Merges are part of the transaction they run in.
.open one.db
.load ./crsql
.read include/shown.sql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');

.print '-- rolled back: data, changes, versions and the sites heard of'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 'gone', 1, 5, x'53', 1, 0);
SELECT crsql_rows_impacted(), crsql_next_db_version();
ROLLBACK;
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM crsql_changes), (SELECT count(*) FROM crsql_site_id), crsql_db_version();
BEGIN;
SELECT crsql_rows_impacted(), crsql_next_db_version();
COMMIT;

.print '-- back to a savepoint'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 'kept', 1, 2, x'53', 1, 0);
SAVEPOINT s;
INSERT INTO crsql_changes VALUES ('t', x'010902', 'v', 'gone', 1, 9, x'54', 1, 0);
SELECT crsql_rows_impacted();
ROLLBACK TO s;
SELECT crsql_rows_impacted();
COMMIT;
SELECT * FROM shown;
CREATE TEMP TABLE before AS SELECT crsql_db_version() AS v;
SELECT v BETWEEN 2 AND 9 FROM before;
.open one.db
.load ./crsql
.read include/shown.sql
SELECT * FROM shown;

.print '-- local and merged writes in one transaction share its version'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010903', 'v', 'merged', 1, 50, x'53', 1, 0);
INSERT INTO t VALUES (4, 'local');
SELECT * FROM t WHERE id > 2;
COMMIT;
SELECT pk, val, db_version, site FROM shown WHERE db_version > 9;
INSERT INTO t VALUES (5, 'next');
SELECT db_version FROM crsql_changes WHERE val = 'next';

.print '-- crsql_rows_impacted counts within one transaction'
INSERT INTO crsql_changes VALUES ('t', x'010906', 'v', 'six', 1, 1, x'53', 1, 0);
SELECT crsql_rows_impacted();
