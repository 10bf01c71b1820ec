-- Writes made behind the extension's back: crsql_check() finds them, crsql_adopt() records them.
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a, b);
CREATE TABLE pair (k TEXT NOT NULL, n INT NOT NULL, PRIMARY KEY (k, n));
SELECT crsql_as_crr('t'), crsql_as_crr('pair');
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4);
INSERT INTO pair VALUES ('x', 1), ('it''s', 2);
UPDATE t SET a = 'TWO' WHERE id = 2;
DELETE FROM t WHERE id = 3;
.read include/shown.sql
.print '-- rows and clocks agree'
SELECT crsql_check();
SELECT count(*) FROM crsql_check;
.print '-- a tool that ignores the capture writes: a new row, a deleted one again, and two deletions'
SELECT crsql_internal_sync_bit(1);
INSERT INTO t VALUES (3, 'again', 3), (5, 'new', 5);
DELETE FROM t WHERE id IN (1, 2);
DELETE FROM pair WHERE k = 'x';
SELECT crsql_internal_sync_bit(0);
SELECT "table", key, hex(pk), problem FROM crsql_check;
SELECT detail FROM crsql_check('t');
.print '-- the same in one line, of all tables or of one'
SELECT crsql_check();
SELECT crsql_check('pair');
.print '-- recorded as local changes, which peers will hear of'
SELECT crsql_db_version();
SELECT crsql_adopt('t'), crsql_adopt('PAIR');
SELECT * FROM shown WHERE db_version > 4;
SELECT crsql_check();
.print '-- there is nothing left to do, and no version is used for it'
SELECT crsql_adopt('t'), crsql_adopt('pair'), crsql_db_version();
.print '-- a capture trigger was dropped: that is found, and mended'
DROP TRIGGER crsql_1_insert;
INSERT INTO t VALUES (6, 'six', 6);
SELECT "table", key, problem, detail FROM crsql_check;
SELECT crsql_adopt('t'), crsql_check();
INSERT INTO t VALUES (7, 'seven', 7);
SELECT * FROM shown WHERE db_version > 7;
.print '-- all of them were dropped'
.once drop.sql
SELECT group_concat('DROP TRIGGER "' || name || '"', ';') || ';' FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 't';
.read drop.sql
DELETE FROM t WHERE id = 7;
SELECT "table", key, problem, detail FROM crsql_check;
SELECT crsql_adopt('t'), crsql_check();
SELECT * FROM shown WHERE db_version > 8;
.print '-- a table that was rebuilt under its old name goes on with its clocks'
CREATE TABLE rebuilt (id INTEGER PRIMARY KEY NOT NULL, a, b CHECK (b < 100));
INSERT INTO rebuilt SELECT * FROM t WHERE id <> 6;
DROP TABLE t;
ALTER TABLE rebuilt RENAME TO t;
SELECT crsql_adopt('t'), crsql_check();
SELECT * FROM shown WHERE db_version > 9;
UPDATE t SET a = 'recorded' WHERE id = 4;
SELECT * FROM shown WHERE db_version > 10;
.print '-- renaming changes nothing, and mends nothing'
ALTER TABLE t RENAME TO renamed;
ALTER TABLE renamed RENAME id TO "the key";
SELECT crsql_check(), crsql_adopt('renamed');
.print '-- what cannot be adopted'
CREATE TABLE plain (id INTEGER PRIMARY KEY, v);
SELECT crsql_adopt('plain');
SELECT crsql_adopt('nowhere');
SELECT crsql_adopt();
SELECT crsql_adopt(NULL);
SELECT crsql_check('nowhere');
SELECT crsql_check(1);
SELECT crsql_check('a', 'b');
SELECT * FROM crsql_check('nowhere');
SELECT * FROM crsql_check(7);
INSERT INTO crsql_check (problem) VALUES ('none');
INSERT INTO crsql_check_keys (tbl) VALUES (1);
