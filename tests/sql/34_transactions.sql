-- One transaction, one version. What is rolled back was never recorded.
.load ./crsql
.read include/shown.sql
CREATE TABLE a (k INTEGER PRIMARY KEY, v CHECK (v > 0));
CREATE TABLE b (k INTEGER PRIMARY KEY, v);
CREATE TABLE plain (v);
SELECT crsql_as_crr('a'), crsql_as_crr('b');

.print '-- two tables share the version and the run of seq'
BEGIN;
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (1, 'b');
UPDATE a SET v = 2;
COMMIT;
SELECT * FROM shown;

.print '-- inside the transaction: the version to come, and the committed one'
BEGIN;
SELECT crsql_db_version(), crsql_next_db_version();
INSERT INTO b VALUES (2, 'c');
SELECT crsql_db_version(), crsql_next_db_version(), db_version FROM crsql_changes WHERE val = 'c';
SELECT crsql_get_seq();
ROLLBACK;

.print '-- a rolled back version is used by the next transaction'
SELECT crsql_db_version(), crsql_next_db_version();
INSERT INTO b VALUES (2, 'd');
SELECT * FROM shown WHERE db_version > 1;

.print '-- ROLLBACK TO takes back what was recorded since the savepoint'
BEGIN;
UPDATE b SET v = 'e' WHERE k = 2;
SAVEPOINT one;
UPDATE b SET v = 'f' WHERE k = 2;
INSERT INTO b VALUES (3, 'g');
SAVEPOINT two;
DELETE FROM b WHERE k = 2;
ROLLBACK TO one;
INSERT INTO b VALUES (4, 'h');
COMMIT;
SELECT "table", pk, cid, val, col_version, db_version, cl FROM shown WHERE db_version > 2;

.print '-- a failing statement leaves the others of its transaction'
BEGIN;
INSERT INTO a VALUES (7, 7), (8, -8);
INSERT INTO a VALUES (9, 9);
UPDATE a SET v = v - 8;
COMMIT;
SELECT "table", pk, cid, val, col_version, db_version, cl FROM shown WHERE db_version > 3;

.print '-- transactions that write no replicated table use no version'
INSERT INTO plain VALUES (1);
BEGIN;
SELECT count(*) FROM a;
INSERT INTO plain VALUES (2);
COMMIT;
SELECT crsql_db_version();

.print '-- a version asked for is kept only if something is recorded under it'
BEGIN;
SELECT crsql_next_db_version(50);
INSERT INTO b VALUES (50, 'x');
COMMIT;
SELECT crsql_db_version(), db_version FROM crsql_changes WHERE val = 'x';
SELECT crsql_next_db_version(90);
SELECT crsql_db_version();

.print '-- seq starts at 0 in every transaction'
BEGIN;
SELECT crsql_increment_and_get_seq(), crsql_increment_and_get_seq(), crsql_get_seq();
ROLLBACK;
SELECT crsql_get_seq();
