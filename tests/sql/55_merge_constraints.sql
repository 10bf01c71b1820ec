-- A merge that the table refuses fails as a whole; everything around it goes on.
.load ./crsql
.read include/shown.sql
CREATE TABLE acc (id INTEGER PRIMARY KEY NOT NULL, bal NOT NULL DEFAULT 3 CHECK (bal < 100), code);
SELECT crsql_as_crr('acc');
INSERT INTO acc VALUES (1, 10, 'a');

.print '-- CHECK, NOT NULL'
INSERT INTO crsql_changes VALUES ('acc', x'010901', 'bal', 500, 2, 2, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('acc', x'010901', 'bal', NULL, 2, 2, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('acc', x'010902', 'bal', 500, 1, 2, x'53', 1, 0);
SELECT * FROM acc;
SELECT * FROM shown;
.print '-- local writes are recorded as before'
SELECT crsql_internal_sync_bit();
UPDATE acc SET bal = 11;
SELECT * FROM shown;

.print '-- the rows of a statement that fails are all undone, the transaction lives'
BEGIN;
INSERT INTO crsql_changes VALUES
    ('acc', x'010905', 'bal', 5, 1, 2, x'53', 1, 0),
    ('acc', x'010906', 'bal', 500, 1, 2, x'53', 1, 1);
SELECT crsql_rows_impacted();
INSERT INTO crsql_changes VALUES ('acc', x'010907', 'bal', 7, 1, 2, x'53', 1, 2);
SELECT crsql_rows_impacted();
COMMIT;
SELECT * FROM acc;

.print '-- a unique index made later: the merge is refused, no other row is overwritten'
CREATE UNIQUE INDEX one_code ON acc (code);
INSERT INTO crsql_changes VALUES ('acc', x'010908', 'code', 'a', 1, 2, x'53', 1, 0);
SELECT * FROM acc;
DROP INDEX one_code;

.print '-- STRICT types'
CREATE TABLE typed (id INTEGER PRIMARY KEY NOT NULL, n INTEGER) STRICT;
SELECT crsql_as_crr('typed');
INSERT INTO crsql_changes VALUES ('typed', x'010901', 'n', 'word', 1, 2, x'53', 1, 0);
SELECT count(*) FROM typed;

.print '-- triggers: RAISE(ABORT) refuses, RAISE(IGNORE) means not applied'
CREATE TRIGGER no_forty BEFORE INSERT ON acc WHEN NEW.id = 40 BEGIN SELECT RAISE(ABORT, 'not forty'); END;
CREATE TRIGGER no_fifty BEFORE INSERT ON acc WHEN NEW.id = 50 BEGIN SELECT RAISE(IGNORE); END;
INSERT INTO crsql_changes VALUES ('acc', x'010928', 'bal', 1, 1, 2, x'53', 1, 0);
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010932', 'bal', 1, 1, 2, x'53', 1, 0);
SELECT last_insert_rowid(), crsql_rows_impacted();
COMMIT;
SELECT count(*) FROM shown WHERE pk IN ('40', '50');
SELECT crsql_internal_sync_bit();

.print '-- foreign keys of ordinary tables are kept'
PRAGMA foreign_keys = ON;
CREATE TABLE child (id INTEGER PRIMARY KEY, acc REFERENCES acc (id) ON DELETE CASCADE);
CREATE TABLE guard (id INTEGER PRIMARY KEY, acc REFERENCES acc (id) ON DELETE RESTRICT);
INSERT INTO child VALUES (1, 1);
INSERT INTO guard VALUES (1, 7);
INSERT INTO crsql_changes VALUES ('acc', x'010901', '-1', NULL, 2, 9, x'53', 2, 0);
SELECT count(*) FROM child;
INSERT INTO crsql_changes VALUES ('acc', x'010907', '-1', NULL, 2, 9, x'53', 2, 0);
SELECT id FROM acc;
SELECT crsql_internal_sync_bit();
INSERT INTO acc VALUES (9, 9, 'i');
SELECT cid, val FROM shown WHERE pk = '9';
