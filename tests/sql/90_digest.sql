-- The digest of a database tells whether two replicas are equal: the same rows, the same tombstones, the same clocks.
.open a.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
CREATE TABLE mail.changes ("table", pk, cid, val, col_version, db_version, site_id, cl, seq);
CREATE TABLE mail.digest (digest);
SELECT length(crsql_digest()), typeof(crsql_digest()), crsql_digest() = crsql_digest();
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
UPDATE t SET v = 'zwei' WHERE id = 2;
DELETE FROM t WHERE id = 3;
INSERT INTO mail.changes SELECT * FROM crsql_changes;
INSERT INTO mail.digest SELECT crsql_digest();

.print '-- a replica with the same changes has the same digest, whatever else is in its file'
.connection 1
.open b.db
.load ./crsql
CREATE TABLE other (id INTEGER PRIMARY KEY NOT NULL);
SELECT crsql_as_crr('other');
CREATE TABLE T (V, ID INTEGER PRIMARY KEY NOT NULL);
SELECT crsql_as_crr('T');
ATTACH 'mail.db' AS mail;
INSERT INTO crsql_changes SELECT * FROM mail.changes ORDER BY random();
SELECT crsql_digest() = digest FROM mail.digest;
SELECT crsql_digest('t') = crsql_digest('T'), crsql_digest('t') = crsql_digest('other');

.print '-- a value that was set once more is another state, even if it is the same value'
UPDATE t SET v = 'x' WHERE id = 1;
UPDATE t SET v = 'one' WHERE id = 1;
SELECT crsql_digest() = digest FROM mail.digest;

.print '-- a transaction sees its own'
BEGIN;
UPDATE mail.digest SET digest = crsql_digest();
INSERT INTO t (id, v) VALUES (5, 'vijf');
SELECT crsql_digest() = digest FROM mail.digest;
SAVEPOINT s;
DELETE FROM t WHERE id = 5;
SELECT crsql_digest() = digest FROM mail.digest;
ROLLBACK;
UPDATE mail.digest SET digest = crsql_digest();
SELECT crsql_digest() = digest FROM mail.digest;

.print '-- a column that is added changes nothing, one that gets another name changes every row'
ALTER TABLE t ADD COLUMN w DEFAULT 7;
SELECT crsql_digest() = digest FROM mail.digest;
ALTER TABLE t RENAME COLUMN v TO u;
SELECT crsql_digest() = digest FROM mail.digest;
ALTER TABLE t RENAME COLUMN u TO v;
SELECT crsql_digest() = digest FROM mail.digest;

.print '-- without rows and tombstones there is nothing to tell tables apart'
DROP TABLE t;
.connection 2
.load ./crsql
ATTACH 'mail.db' AS mail;
UPDATE mail.digest SET digest = crsql_digest();
.connection 1
SELECT crsql_digest() = digest FROM mail.digest;

.print '-- wrong calls'
SELECT crsql_digest('t');
SELECT crsql_digest(NULL);
CREATE VIEW in_a_view AS SELECT crsql_digest();
SELECT * FROM in_a_view;
