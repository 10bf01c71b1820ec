-- What an UPDATE records: the cells whose value became another, each one version higher.
.load ./crsql
.read include/shown.sql
CREATE TABLE n (k INTEGER PRIMARY KEY NOT NULL, x, y, i INTEGER, t TEXT COLLATE NOCASE);
SELECT crsql_as_crr('n');
INSERT INTO n VALUES (1, 'p', 'q', 2, 'abc');

.print '-- only the changed cell'
UPDATE n SET x = 'r', y = 'q' WHERE k = 1;
SELECT * FROM shown;

.print '-- the storage class counts'
UPDATE n SET x = 2;
UPDATE n SET x = 2.0;
UPDATE n SET x = '2';
SELECT val, col_version, db_version FROM shown WHERE cid = 'x';

.print '-- after the affinity of the column, and bytes count where the collation sees no difference'
UPDATE n SET i = 2.0;
UPDATE n SET i = '2';
UPDATE n SET t = 'ABC';
SELECT cid, val, col_version, db_version FROM shown WHERE cid IN ('i', 't');

.print '-- nothing changed: nothing recorded, no version used'
UPDATE n SET x = '2', y = y, k = k;
UPDATE n SET x = 1 WHERE k = 99;
UPDATE n SET y = NULL;
UPDATE n SET y = NULL;
UPDATE n SET y = 0.0;
UPDATE n SET y = -0.0;
SELECT val, col_version, db_version FROM shown WHERE cid = 'y';
SELECT crsql_db_version();

.print '-- in one transaction the last write of a cell is what is reported'
BEGIN;
INSERT INTO n VALUES (2, 'a', 'b', 0, '');
UPDATE n SET x = 'c' WHERE k = 2;
UPDATE n SET x = 'd' WHERE k = 2;
COMMIT;
SELECT * FROM shown WHERE pk = '2';

.print '-- RETURNING and changes() are those of a plain table'
UPDATE n SET i = i + 1 RETURNING k, i;
SELECT changes();
SELECT pk, cid, val, col_version, seq FROM shown WHERE db_version = crsql_db_version();
