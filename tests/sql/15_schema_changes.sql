-- Plain ALTER TABLE and DROP TABLE: noticed at the next use. Nothing is written for the rows that are there, and
-- no write goes unrecorded.
.load ./crsql
.read include/shown.sql

.print '-- a column added: no changes; its first write has version 1, whether the rows held NULL or a default'
CREATE TABLE t (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'one'), (2, 'two');
ALTER TABLE t ADD COLUMN w;
ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT '7';
SELECT * FROM shown;
UPDATE t SET n = 8 WHERE id = 1;
UPDATE t SET w = 'first' WHERE id = 2;
UPDATE t SET w = 'second' WHERE id = 2;
SELECT * FROM shown;
.print '-- rows inserted from now on have all columns'
INSERT INTO t (id, v) VALUES (3, 'three');
UPDATE t SET n = 9, w = 'x' WHERE id = 3;
SELECT * FROM shown WHERE pk = '3';

.print '-- any value from elsewhere wins over a default that nobody wrote'
INSERT INTO crsql_changes VALUES ('t', x'010902', 'n', -1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010903', 'n', 100, 1, 1, x'53', 1, 0);
SELECT id, n FROM t;

.print '-- a column renamed: its changes have the new name, versions and author stay'
ALTER TABLE t RENAME COLUMN v TO "the ""v""";
SELECT * FROM shown WHERE pk = '1';
UPDATE t SET "the ""v""" = 'uno' WHERE id = 1;
SELECT * FROM shown WHERE pk = '1';

.print '-- a column dropped: only in an alter session'
ALTER TABLE t DROP COLUMN w;
SELECT crsql_begin_alter('t');
ALTER TABLE t DROP COLUMN w;
SELECT crsql_commit_alter('t');
SELECT * FROM shown;
.print '-- and added again: it has no past'
ALTER TABLE t ADD COLUMN w;
SELECT count(*) FROM shown WHERE cid = 'w';
UPDATE t SET w = 'again' WHERE id = 2;
SELECT * FROM shown WHERE cid = 'w';

.print '-- an index, a view, a trigger: no change of the columns'
CREATE INDEX t_by_n ON t (n);
UPDATE t SET n = 3 WHERE id = 3;
SELECT * FROM shown WHERE pk = '3' AND cid = 'n';

.print '-- a table renamed: its changes have the new name'
ALTER TABLE t RENAME TO renamed;
UPDATE renamed SET n = 4 WHERE id = 3;
SELECT * FROM shown WHERE pk = '3';
INSERT INTO crsql_changes VALUES ('renamed', x'010904', 'n', 44, 1, 1, x'53', 1, 0);
SELECT id, n FROM renamed;

.print '-- a table dropped: its changes are gone, the others are there, versions go on'
CREATE TABLE other (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('other');
INSERT INTO other VALUES (1, 'stays');
DROP TABLE renamed;
SELECT * FROM shown;
SELECT crsql_db_version();
CREATE TABLE renamed (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('renamed');
INSERT INTO renamed VALUES (1, 'new');
SELECT * FROM shown;

.print '-- an ordinary table again: it keeps its rows, and nothing else'
SELECT crsql_as_table('renamed'), crsql_as_table('no such table');
INSERT INTO renamed VALUES (2, 'unrecorded');
SELECT * FROM shown;
SELECT count(*) FROM sqlite_schema WHERE tbl_name = 'renamed';
SELECT crsql_as_crr('renamed');
SELECT * FROM shown;
