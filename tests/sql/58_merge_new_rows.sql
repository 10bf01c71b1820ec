-- A merge that comes to new rows takes the next ones for new, too, until one is not.
.open here.db
.load ./crsql
.read include/shown.sql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a, b, CHECK (a IS NOT 'bad'));
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (2, 'm', 'm'), (4, 'm', 'm'), (8, 'm', 'm'), (9, 'm', 'm'), (20, 'm', 'm');

.print '-- among new rows some that are here: their cells are decided on as ever'
INSERT INTO crsql_changes VALUES
    ('t', x'010901', 'a', 'z', 1, 5, x'53', 1, 0),
    ('t', x'010901', 'b', 'z', 1, 5, x'53', 1, 1),
    ('t', x'010902', 'a', 'z', 1, 5, x'53', 1, 2),
    ('t', x'010902', 'b', 'a', 1, 5, x'53', 1, 3),
    ('t', x'010903', 'a', 'z', 1, 5, x'53', 1, 4),
    ('t', x'010904', 'a', 'a', 1, 5, x'53', 1, 5),
    ('t', x'010904', 'b', 'z', 2, 5, x'53', 1, 6);
SELECT * FROM t WHERE id <= 4;
SELECT pk, cid, val, col_version, site, cl FROM shown WHERE pk <= '4';

.print '-- a value that the table refuses, of a row that is here, and loses: it is ignored'
INSERT INTO crsql_changes VALUES
    ('t', x'010905', 'a', 'z', 1, 6, x'53', 1, 0),
    ('t', x'010908', 'a', 'bad', 1, 6, x'53', 1, 1),
    ('t', x'010908', 'b', 'z', 1, 6, x'53', 1, 2);
SELECT * FROM t WHERE id IN (5, 8);

.print '-- of a row that is new: the statement fails and nothing of it is done; the row can still come, and go'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010906', 'a', 'z', 1, 7, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010907', 'a', 'bad', 1, 7, x'53', 1, 1);
SELECT * FROM t WHERE id = 7;
INSERT INTO crsql_changes VALUES ('t', x'010907', 'b', 'z', 1, 7, x'53', 1, 2);
SELECT * FROM t WHERE id = 7;
INSERT INTO crsql_changes VALUES ('t', x'010907', '-1', NULL, 2, 7, x'53', 2, 3);
COMMIT;
SELECT * FROM t WHERE id = 7;
SELECT pk, cid, val, col_version, site, cl FROM shown WHERE pk IN ('6', '7');

.print '-- a deletion after a new row deletes a row that is here'
INSERT INTO crsql_changes VALUES
    ('t', x'01090b', 'a', 'z', 1, 8, x'53', 1, 0),
    ('t', x'010904', '-1', NULL, 2, 8, x'53', 2, 1),
    ('t', x'01090c', 'a', 'z', 1, 8, x'53', 1, 2),
    ('t', x'010914', '-1', NULL, 2, 8, x'53', 2, 3),
    ('t', x'010902', 'b', 'y', 1, 8, x'53', 3, 4);
SELECT * FROM t WHERE id IN (2, 4, 11, 12, 20);
SELECT pk, cid, val, col_version, site, cl FROM shown WHERE pk IN ('2', '4', '11', '12', '20');
SELECT seq FROM crsql_changes WHERE pk IN (x'010904', x'010914');

.print '-- a trigger that ignores a new row runs once'
CREATE TABLE heard (id);
CREATE TRIGGER ignores BEFORE INSERT ON t WHEN NEW.id >= 14 BEGIN
    INSERT INTO heard VALUES (NEW.id);
    SELECT RAISE(IGNORE);
END;
INSERT INTO crsql_changes VALUES
    ('t', x'01090d', 'a', 'z', 1, 9, x'53', 1, 0),
    ('t', x'01090e', 'a', 'z', 1, 9, x'53', 1, 1);
SELECT * FROM heard;
DROP TRIGGER ignores;

.print '-- the same through a changeset: one row at a time, and by batches'
CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, a, CHECK (a IS NOT 'bad'));
SELECT crsql_as_crr('u');
INSERT INTO u VALUES ('r0050', 'm');
.open there.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a, b);
CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, a);
SELECT crsql_as_crr('t'), crsql_as_crr('u');
INSERT INTO t VALUES (8, 'bad', 'a'), (9, 'bad', 'z'), (10, 'new', 'z');
INSERT INTO u SELECT printf('r%04d', value), iif(value = 50, 'bad', 'new') FROM generate_series(1, 3000);
SELECT writefile('data', crsql_changeset(0)) > 0;
.open here.db
.load ./crsql
SELECT crsql_apply(readfile('data')) > 0;
SELECT * FROM t WHERE id BETWEEN 8 AND 10;
SELECT a, count(*) FROM u GROUP BY a;

.print '-- of a new row, the changeset fails as a whole'
.open there.db
.load ./crsql
INSERT INTO u VALUES ('s0001', 'new'), ('s0002', 'bad');
SELECT writefile('data', crsql_changeset(0)) > 0;
.open here.db
.load ./crsql
SELECT crsql_apply(readfile('data')) > 0;
SELECT a, count(*) FROM u GROUP BY a;

.print '-- the row that a changeset came to last is no row of a key without bytes'
CREATE TABLE w (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('w');
INSERT INTO w VALUES (1, 'here');
.open other.db
.load ./crsql
CREATE TABLE w (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('w');
INSERT INTO w VALUES (1, 'there');
CREATE TABLE carried AS SELECT crsql_changeset(0) AS data;
.open here.db
.load ./crsql
ATTACH 'other.db' AS other;
BEGIN;
SELECT crsql_apply(data) > 0 FROM other.carried;
INSERT INTO crsql_changes VALUES ('w', x'', 'v', 'gone', 9, 1, x'53', 1, 0);
SELECT * FROM w;
COMMIT;
