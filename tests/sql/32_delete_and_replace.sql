-- Lives of a row: the causal length cl counts how often it was created or deleted. Odd is alive.
.load ./crsql
.read include/shown.sql
CREATE TABLE n (k PRIMARY KEY NOT NULL, x, y);
SELECT crsql_as_crr('n');

INSERT INTO n VALUES (1, 'p', 'q');
.print '-- a delete forgets the cells and leaves a sentinel, cid -1'
DELETE FROM n;
SELECT * FROM shown;
.print '-- a new life: the sentinel first, then the cells from version 1'
INSERT INTO n VALUES (1, 's', NULL);
SELECT * FROM shown;
.print '-- REPLACE of a live row is an update of every column, changed or not'
REPLACE INTO n VALUES (1, 's', 't');
SELECT * FROM shown;
INSERT INTO n VALUES (2, 'a', 'b');
REPLACE INTO n VALUES (2, 'a', 'b');
SELECT * FROM shown WHERE pk = '2';
.print '-- and the next delete is even again'
DELETE FROM n WHERE k = 1;
SELECT * FROM shown WHERE pk = '1';

.print '-- with recursive_triggers SQLite deletes before it replaces, and so it is recorded'
PRAGMA recursive_triggers = ON;
INSERT INTO n VALUES (3, 'a', 'b');
REPLACE INTO n VALUES (3, 'c', 'd');
SELECT * FROM shown WHERE pk = '3';
PRAGMA recursive_triggers = OFF;

.print '-- inserted and deleted in one transaction: only the delete is left'
BEGIN;
INSERT INTO n VALUES (4, 'a', 'b');
DELETE FROM n WHERE k = 4;
COMMIT;
SELECT * FROM shown WHERE pk = '4';

.print '-- deleted and inserted in one transaction: a new life'
INSERT INTO n VALUES (5, 'a', 'b');
BEGIN;
DELETE FROM n WHERE k = 5;
INSERT INTO n VALUES (5, 'c', 'd');
COMMIT;
SELECT pk, cid, val, col_version, db_version = crsql_db_version(), cl FROM shown WHERE pk = '5';

.print '-- every row, without WHERE'
DELETE FROM n;
SELECT changes();
SELECT pk, cid, cl FROM shown ORDER BY pk;

.print '-- nothing deleted, nothing recorded'
DELETE FROM n;
SELECT crsql_db_version(), (SELECT max(db_version) FROM crsql_changes);

.print '-- rows of keys alone: replacing one is no change'
CREATE TABLE pairs (a NOT NULL, b NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
SELECT crsql_as_crr('pairs');
INSERT INTO pairs VALUES (1, 2);
REPLACE INTO pairs VALUES (1, 2);
SELECT pk, cid, col_version, cl FROM shown WHERE "table" = 'pairs';
DELETE FROM pairs;
SELECT pk, cid, col_version, cl FROM shown WHERE "table" = 'pairs';
INSERT INTO pairs VALUES (1, 2);
SELECT pk, cid, col_version, cl FROM shown WHERE "table" = 'pairs';
