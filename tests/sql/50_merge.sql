-- Changes of a peer are merged by inserting them into crsql_changes.
.load ./crsql
.read include/shown.sql
CREATE TABLE acc (id INTEGER PRIMARY KEY NOT NULL, bal DEFAULT 0, note DEFAULT 'n');
SELECT crsql_as_crr('acc');

.print '-- a cell of an unknown row creates it, the other columns have their defaults'
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010907', 'bal', 30, 1, 1, x'53', 1, 0);
SELECT last_insert_rowid() <> 0, changes(), crsql_rows_impacted();
COMMIT;
SELECT * FROM acc;
SELECT * FROM shown;

.print '-- the same change again is ignored: last_insert_rowid() is 0'
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010907', 'bal', 30, 1, 1, x'53', 1, 0);
SELECT last_insert_rowid() <> 0, changes(), crsql_rows_impacted();
COMMIT;
SELECT crsql_db_version();

.print '-- a lower column version loses, even with a larger value; a higher one wins'
UPDATE acc SET bal = 31;
UPDATE acc SET bal = 32;
INSERT INTO crsql_changes VALUES ('acc', x'010907', 'bal', 999, 2, 50, x'53', 1, 0);
SELECT bal, crsql_db_version() FROM acc;
INSERT INTO crsql_changes VALUES ('acc', x'010907', 'bal', 1, 4, 3, x'53', 1, 5);
SELECT bal, crsql_db_version() FROM acc;
SELECT * FROM shown;

.print '-- several rows in one statement, columns named in any order and table and cid in any case'
INSERT INTO crsql_changes (cl, seq, "table", pk, cid, val, col_version, db_version, site_id) VALUES
    (1, 0, 'ACC', x'010908', 'BAL', 8, 1, 5, x'53'),
    (1, 1, 'acc', x'010908', 'note', 'eight', 1, 5, x'53');
SELECT * FROM acc WHERE id = 8;
SELECT * FROM shown WHERE pk = '8';

.print '-- no site, or an empty one: the change counts as one of this database'
INSERT INTO crsql_changes VALUES ('acc', x'010909', 'bal', 1, 1, 1, NULL, 1, 0);
INSERT INTO crsql_changes VALUES ('acc', x'010909', 'note', 'x', 1, 1, x'', 1, 0);
SELECT cid, val, site FROM shown WHERE pk = '9';

.print '-- every site keeps its name, from one byte to sixteen'
INSERT INTO crsql_changes VALUES ('acc', x'01090a', 'bal', 1, 1, 1, x'01', 1, 0);
INSERT INTO crsql_changes VALUES ('acc', x'01090b', 'bal', 1, 1, 1, x'000102030405060708090a0b0c0d0e0f', 1, 0);
SELECT pk, site FROM shown WHERE pk IN ('10', '11');

.print '-- also the first word of a site that comes after a change of the schema'
CREATE TABLE unrelated (a);
INSERT INTO crsql_changes VALUES ('acc', x'01090d', 'bal', 1, 1, 1, x'02', 1, 0);
SELECT pk, site, db_version = crsql_db_version() FROM shown WHERE pk = '13';

.print '-- own changes that come back from a peer change nothing'
INSERT INTO acc VALUES (12, 1, 'mine');
CREATE TEMP TABLE echo AS SELECT crsql_db_version() AS v;
INSERT INTO crsql_changes VALUES ('acc', x'01090c', 'note', 'mine', 1, 99, crsql_site_id(), 1, 1);
SELECT crsql_db_version() = v FROM echo;

.print '-- a local write after a merge goes on from the merged version'
UPDATE acc SET bal = 100 WHERE id = 7;
SELECT val, col_version, site FROM shown WHERE pk = '7' AND cid = 'bal';

.print '-- a row of keys alone'
CREATE TABLE pairs (a NOT NULL, b NOT NULL, PRIMARY KEY (a, b));
SELECT crsql_as_crr('pairs');
INSERT INTO crsql_changes VALUES ('pairs', crsql_pack_columns('x', 2.5), '-1', NULL, 1, 1, x'53', 1, 0);
SELECT * FROM pairs;
SELECT "table", pk, cid, col_version, cl, site FROM shown WHERE "table" = 'pairs';
