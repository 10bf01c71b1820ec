-- A change of the primary key deletes the row under its old key and creates it under the new one,
-- with every cell of it: a peer that pulls only what is new gets the whole row.
.load ./crsql
.read include/shown.sql
CREATE TABLE p (a PRIMARY KEY NOT NULL, b, c);
SELECT crsql_as_crr('p');
INSERT INTO p VALUES (1, 2, 3);

.print '-- the cells under the new key, then the two sentinels'
UPDATE p SET a = 5;
SELECT * FROM shown;
.print '-- a cell that the statement changes too is one version higher, like the others'
UPDATE p SET a = 6, b = 'x';
SELECT * FROM shown;
.print '-- onto the key of a deleted row: its next life'
UPDATE p SET a = 1;
SELECT * FROM shown;
.print '-- 1 and 1.0 are one key'
UPDATE p SET a = 1.0;
SELECT count(*), crsql_db_version() FROM crsql_changes;

.print '-- onto the key of a live row, which it replaces: above the versions of both'
CREATE TABLE q (k INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('q');
INSERT INTO q VALUES (1, 'a'), (2, 'b');
UPDATE q SET v = 'b2' WHERE k = 2;
UPDATE OR REPLACE q SET k = 2 WHERE k = 1;
SELECT "table", pk, cid, val, col_version, cl, seq FROM shown WHERE "table" = 'q';
SELECT * FROM q;

.print '-- refused when the key is taken: nothing recorded'
INSERT INTO q VALUES (3, 'c');
UPDATE q SET k = 2 WHERE k = 3;
SELECT "table", pk, cid, val, col_version, cl FROM shown WHERE "table" = 'q' AND pk = '3';
UPDATE OR IGNORE q SET k = 2 WHERE k = 3;
SELECT count(*) FROM shown WHERE db_version > 8;

.print '-- by the name rowid'
UPDATE q SET rowid = 9 WHERE k = 3;
SELECT pk, cid, val, col_version, cl, seq FROM shown WHERE db_version = crsql_db_version();

.print '-- one part of a key of two'
CREATE TABLE staff (org TEXT, n INTEGER, name, PRIMARY KEY (org, n)) WITHOUT ROWID;
SELECT crsql_as_crr('staff');
INSERT INTO staff VALUES ('x', 1, 'Ann'), ('x', 2, 'Bob');
UPDATE staff SET n = 3 WHERE n = 1;
SELECT pk, cid, val, col_version, cl FROM shown WHERE "table" = 'staff';

.print '-- two rows swap their keys through a third'
BEGIN;
UPDATE staff SET n = 0 WHERE n = 2;
UPDATE staff SET n = 2 WHERE n = 3;
UPDATE staff SET n = 3 WHERE n = 0;
COMMIT;
SELECT * FROM staff;

.print '-- a peer that knows everything up to here, and one that pulls each step'
ATTACH 'letter.db' AS letter;
CREATE TABLE letter.changes ("table", pk, cid, val, col_version, db_version, site_id, cl, seq);
INSERT INTO letter.changes SELECT * FROM crsql_changes;
.connection 1
.open peer.db
.load ./crsql
CREATE TABLE p (a PRIMARY KEY NOT NULL, b, c);
CREATE TABLE q (k INTEGER PRIMARY KEY, v);
CREATE TABLE staff (org TEXT, n INTEGER, name, PRIMARY KEY (org, n)) WITHOUT ROWID;
.output /dev/null
SELECT crsql_as_crr('p'), crsql_as_crr('q'), crsql_as_crr('staff');
.output
ATTACH 'letter.db' AS letter;
INSERT INTO crsql_changes SELECT * FROM letter.changes;
SELECT * FROM p;
SELECT * FROM q;
SELECT * FROM staff;
.connection 0
DELETE FROM letter.changes;
CREATE TEMP TABLE pulled AS SELECT crsql_db_version() AS up_to;
UPDATE staff SET org = 'y' WHERE n = 2;
INSERT INTO letter.changes SELECT * FROM crsql_changes WHERE db_version > (SELECT up_to FROM pulled);
.connection 1
INSERT INTO crsql_changes SELECT * FROM letter.changes;
SELECT * FROM staff;
