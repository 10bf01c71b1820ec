-- This release does not follow changes of a replicated table's columns: it refuses what it could not record,
-- until the change is undone. Tables can be renamed, and dropped.
.load ./crsql
.read include/shown.sql

.print '-- a column added'
CREATE TABLE t (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'one');
ALTER TABLE t ADD COLUMN w;
INSERT INTO t VALUES (2, 'two', 2);
UPDATE t SET v = 'other';
SELECT * FROM t;
SELECT * FROM shown;
ALTER TABLE t DROP COLUMN w;
INSERT INTO t VALUES (2, 'two');
SELECT * FROM shown;

.print '-- a column renamed, and back again'
ALTER TABLE t RENAME COLUMN v TO vv;
INSERT INTO t VALUES (3, 'three');
SELECT * FROM shown;
ALTER TABLE t RENAME COLUMN vv TO v;
INSERT INTO t VALUES (3, 'three');
SELECT * FROM shown;

.print '-- an index, a view, a trigger: no change of the columns'
CREATE INDEX t_by_v ON t (v);
UPDATE t SET v = 'drei' WHERE id = 3;
SELECT * FROM shown WHERE pk = '3';

.print '-- a table renamed: its changes have the new name'
ALTER TABLE t RENAME TO renamed;
UPDATE renamed SET v = 'trois' WHERE id = 3;
SELECT * FROM shown;
INSERT INTO crsql_changes VALUES ('renamed', x'010904', 'v', 'merged', 1, 1, x'53', 1, 0);
SELECT * FROM renamed;

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
