-- Streams of changesets: each of a limited size, each to be applied by itself.
.open a.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
CREATE TABLE mail.box (number INTEGER PRIMARY KEY, data, first_version, last_version, last_seq, complete);
INSERT INTO t VALUES (1, 'small');
WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 11)
INSERT INTO t SELECT i, printf('%.200c', char(96 + i)) FROM n;
INSERT INTO t VALUES (12, 'small');
INSERT INTO t VALUES (13, 'small');

.print '-- the second transaction is larger than a changeset may be: it comes in parts'
INSERT INTO mail.box (data, first_version, last_version, last_seq, complete)
SELECT data, first_version, last_version, last_seq, complete FROM crsql_changesets(0, NULL, 1200, NULL, 0);
SELECT number, first_version, last_version, last_seq, complete, length(data) <= 1200 AS fits FROM mail.box;

.connection 1
.open b.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
.print '-- parts wait until all of them are there, whatever their order'
SELECT crsql_apply(data) FROM mail.box WHERE number = 4;
SELECT crsql_apply(data) FROM mail.box WHERE number = 1;
SELECT crsql_apply(data) FROM mail.box WHERE number = 3;
SELECT count(*) AS rows, (SELECT count(*) FROM crsql_parts) AS parts FROM t;
SELECT crsql_apply(data) FROM mail.box WHERE number = 2;
SELECT count(*) AS rows, (SELECT count(*) FROM crsql_parts) AS parts FROM t;

.print '-- a receiver that stopped goes on from last_version and last_seq, here of the second'
.connection 0
SELECT rest.first_version, rest.last_version, rest.last_seq, rest.complete
FROM mail.box AS b, crsql_changesets(b.last_version, NULL, 100000, b.last_seq) AS rest WHERE b.number = 2;
.print '-- nothing is new: no changeset'
SELECT count(*) FROM crsql_changesets(crsql_db_version());
