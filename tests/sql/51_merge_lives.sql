-- The causal length decides first: a change of an earlier life of a row is ignored.
.load ./crsql
.read include/shown.sql
CREATE TABLE acc (id INTEGER PRIMARY KEY NOT NULL, bal DEFAULT 0, note DEFAULT 'n');
SELECT crsql_as_crr('acc');

.print '-- a cell of the next life brings a deleted row back, and the sentinel with it'
INSERT INTO acc VALUES (1, 10, 'a');
DELETE FROM acc;
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010901', 'bal', 5, 1, 9, x'53', 3, 6);
SELECT crsql_rows_impacted();
COMMIT;
SELECT * FROM acc;
SELECT * FROM shown;
.print '-- the sentinel itself, coming late, says nothing new'
INSERT INTO crsql_changes VALUES ('acc', x'010901', '-1', NULL, 3, 9, x'53', 3, 5);
SELECT last_insert_rowid(), crsql_db_version();

.print '-- a write of the first life, whatever its version, is ignored'
INSERT INTO crsql_changes VALUES ('acc', x'010901', 'bal', 1000, 999, 20, x'53', 1, 0);
SELECT bal, crsql_db_version() FROM acc;

.print '-- a delete of a row never seen is kept, and blocks its late insert'
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010902', '-1', NULL, 2, 3, x'53', 2, 0);
INSERT INTO crsql_changes VALUES ('acc', x'010902', 'bal', 7, 1, 2, x'53', 1, 0);
SELECT crsql_rows_impacted();
COMMIT;
SELECT count(*) FROM acc WHERE id = 2;
SELECT pk, cid, col_version, cl FROM shown WHERE pk = '2';

.print '-- any life can be the first one heard of'
BEGIN;
INSERT INTO crsql_changes VALUES ('acc', x'010903', '-1', NULL, 4, 3, x'53', 4, 0);
SELECT crsql_rows_impacted();
INSERT INTO crsql_changes VALUES ('acc', x'010903', 'note', 'z', 1, 4, x'53', 5, 1);
SELECT crsql_rows_impacted();
COMMIT;
SELECT * FROM acc WHERE id = 3;
SELECT pk, cid, val, col_version, cl FROM shown WHERE pk = '3';

.print '-- a sentinel of a later life on a live row: the values stay, at version 0, until the new ones come'
INSERT INTO acc VALUES (4, 11, 'a');
INSERT INTO crsql_changes VALUES ('acc', x'010904', '-1', NULL, 3, 5, x'53', 3, 0);
SELECT cid, val, col_version, db_version = crsql_db_version(), site, cl FROM shown WHERE pk = '4' ORDER BY cid;
INSERT INTO crsql_changes VALUES ('acc', x'010904', 'bal', 5, 1, 5, x'53', 3, 1);
SELECT * FROM acc WHERE id = 4;
SELECT cid, val, col_version, site, cl FROM shown WHERE pk = '4' ORDER BY cid;

.print '-- a delete beats any edit of the same life'
INSERT INTO acc VALUES (5, 1, 'a');
UPDATE acc SET bal = 2 WHERE id = 5;
UPDATE acc SET bal = 3 WHERE id = 5;
INSERT INTO crsql_changes VALUES ('acc', x'010905', '-1', NULL, 2, 1, x'53', 2, 0);
SELECT count(*) FROM acc WHERE id = 5;
SELECT pk, cid, col_version, site, cl FROM shown WHERE pk = '5';

.print '-- a local insert after a merged delete: the next life, one version up'
INSERT INTO crsql_changes VALUES ('acc', x'010905', '-1', NULL, 4, 30, x'53', 4, 0);
INSERT INTO acc VALUES (5, 9, 'b');
SELECT * FROM shown WHERE pk = '5';

.print '-- the sentinel of a first life creates the bare row'
INSERT INTO crsql_changes VALUES ('acc', x'010906', '-1', NULL, 1, 40, x'53', 1, 0);
SELECT * FROM acc WHERE id = 6;
SELECT pk, cid, col_version, cl FROM shown WHERE pk = '6';

.print '-- a delete names no column: its cid and version say nothing'
INSERT INTO crsql_changes VALUES ('acc', x'010906', 'bal', 77, 9, 41, x'53', 2, 0);
SELECT pk, cid, val, col_version, cl FROM shown WHERE pk = '6';
