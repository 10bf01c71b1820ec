-- Two databases become equal by a conversation of messages. Here a message is a file.
.open a.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v, w);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4);
DELETE FROM t WHERE id = 4;
.connection 1
.open b.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v, w);
SELECT crsql_as_crr('t');
.print '-- b got some of the changes of a once, and no log says which'
INSERT INTO crsql_changes ("table", pk, cid, val, col_version, cl) VALUES
  ('t', crsql_pack_columns(1), 'v', 'one', 1, 1), ('t', crsql_pack_columns(1), 'w', 1, 1, 1),
  ('t', crsql_pack_columns(4), 'v', 'four', 1, 1), ('t', crsql_pack_columns(4), 'w', 4, 1, 1);
UPDATE t SET w = 100 WHERE id = 1;
INSERT INTO t VALUES (9, 'nine', 9);

.print '-- the conversation'
.connection 0
SELECT writefile('1', crsql_reconcile()) AS bytes;
.connection 1
SELECT writefile('2', crsql_reconcile(readfile('1'))) < 200;
.connection 0
SELECT writefile('3', crsql_reconcile(readfile('2'))) < 300;
.connection 1
SELECT writefile('4', crsql_reconcile(readfile('3'))) < 500;
SELECT * FROM t;
.connection 0
SELECT writefile('5', crsql_reconcile(readfile('4'))) < 300;
SELECT * FROM t;
.connection 1
SELECT crsql_reconcile(readfile('5')) IS NULL;
SELECT * FROM t;

.print '-- equal now: the other side has nothing to say'
.connection 0
SELECT writefile('1', crsql_reconcile()) AS bytes;
.connection 1
SELECT crsql_reconcile(readfile('1')) IS NULL;
SELECT crsql_reconcile(NULL) IS NULL;

.print '-- what was merged is recorded as of any other merge: a third replica can pull it'
SELECT cid, val, col_version, cl, site_id = crsql_site_id() FROM crsql_changes WHERE pk IN (crsql_pack_columns(2), crsql_pack_columns(4));

.print '-- what is no message, or no longer one'
SELECT crsql_reconcile('hello');
SELECT crsql_reconcile(x'');
SELECT crsql_reconcile(substr(readfile('4'), 1, 50));
SELECT crsql_reconcile(readfile('4'), 10);
CREATE TABLE kept AS SELECT crsql_reconcile() AS message;
