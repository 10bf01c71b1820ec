-- crsql_begin_alter, DDL and writes, crsql_commit_alter: for what plain ALTER TABLE can't do.
.load ./crsql
.read include/shown.sql
CREATE TABLE s (k PRIMARY KEY NOT NULL, a, b);
SELECT crsql_as_crr('s');
INSERT INTO s VALUES (1, 'a1', 'b1'), (2, 'a2', 'b2');

.print '-- writes in a session are recorded like any others'
SELECT crsql_begin_alter('s');
ALTER TABLE s ADD COLUMN c DEFAULT 0;
UPDATE s SET c = 1 WHERE k = 2;
DELETE FROM s WHERE k = 1;
INSERT INTO s VALUES (3, 'a3', 'b3', 3);
UPDATE s SET k = 4 WHERE k = 3;
SELECT crsql_commit_alter('s');
SELECT * FROM shown;

.print '-- columns dropped, renamed and added at once'
SELECT crsql_begin_alter('main', 's');
ALTER TABLE s DROP COLUMN a;
ALTER TABLE s RENAME COLUMN b TO a;
ALTER TABLE s ADD COLUMN b;
SELECT crsql_commit_alter('main', 's', 1);
SELECT * FROM shown WHERE pk = '2';

.print '-- a session that would make the table one that cannot be replicated is undone, and nothing else'
BEGIN;
UPDATE s SET b = 'before' WHERE k = 2;
SELECT crsql_begin_alter('s');
ALTER TABLE s DROP COLUMN b;
CREATE UNIQUE INDEX s_by_c ON s (c);
SELECT crsql_commit_alter('s');
COMMIT;
SELECT * FROM s;
UPDATE s SET b = 'after' WHERE k = 2;
SELECT * FROM shown WHERE pk = '2' AND cid = 'b';

.print '-- so is one that is rolled back'
BEGIN;
SELECT crsql_begin_alter('s');
ALTER TABLE s DROP COLUMN a;
ROLLBACK;
UPDATE s SET a = 'there' WHERE k = 2;
SELECT * FROM shown WHERE pk = '2' AND cid = 'a';

.print '-- a COMMIT ends a session; nothing is left uncaptured'
BEGIN;
SELECT crsql_begin_alter('s');
ALTER TABLE s RENAME TO renamed;
ALTER TABLE renamed ADD COLUMN d;
COMMIT;
UPDATE renamed SET d = 'captured' WHERE k = 2;
SELECT * FROM shown WHERE cid = 'd';
SELECT crsql_commit_alter('renamed');

.print '-- the table made anew: rows are matched by key, columns by name'
SELECT crsql_begin_alter('renamed');
CREATE TABLE fresh (k PRIMARY KEY NOT NULL, total DEFAULT 0, d TEXT, a);
INSERT INTO fresh SELECT k, c + 1, d, a FROM renamed;
DROP TABLE renamed;
ALTER TABLE fresh RENAME TO renamed;
SELECT crsql_commit_alter('renamed');
SELECT * FROM shown;

.print '-- another key: the table starts over'
SELECT crsql_begin_alter('renamed');
CREATE TABLE fresh (k PRIMARY KEY NOT NULL, place INTEGER NOT NULL, a);
DROP TABLE fresh;
CREATE TABLE fresh (k NOT NULL, total NOT NULL, a, PRIMARY KEY (k, total));
INSERT INTO fresh SELECT k, total, a FROM renamed;
DROP TABLE renamed;
ALTER TABLE fresh RENAME TO renamed;
SELECT crsql_commit_alter('renamed');
SELECT * FROM shown;

.print '-- wrong calls'
SELECT crsql_begin_alter('no such table');
SELECT crsql_commit_alter('renamed');
SELECT crsql_begin_alter();
SELECT crsql_commit_alter(NULL);
SELECT crsql_begin_alter('temp', 'renamed');
