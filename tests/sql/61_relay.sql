-- A change can travel through others: c hears from b alone, by b's versions, what a and b wrote.
.open a.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
CREATE TABLE mail.a ("table", pk, cid, val, col_version, db_version, site_id, cl, seq);
CREATE TABLE mail.b AS SELECT * FROM mail.a;
CREATE TABLE mail.site AS SELECT 'a' AS name, crsql_site_id() AS id;
.connection 1
.open b.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
INSERT INTO mail.site SELECT 'b', crsql_site_id();
INSERT INTO t VALUES (10, 'b1'), (11, 'b1');
INSERT INTO t VALUES (12, 'b2');

.connection 0
INSERT INTO t VALUES (1, 'a1'), (2, 'a1');
UPDATE t SET v = 'a2' WHERE id = 2;
INSERT INTO mail.a SELECT * FROM crsql_changes;
.connection 1
.print '-- b takes the changes of a in: they get versions of b, and keep their author'
INSERT INTO crsql_changes SELECT * FROM mail.a;
INSERT INTO t VALUES (13, 'b4');
SELECT val, col_version, db_version, seq, (SELECT name FROM mail.site WHERE id = site_id) FROM crsql_changes;

.print '-- c pulls from b, twice, each time what is new'
INSERT INTO mail.b SELECT * FROM crsql_changes WHERE db_version <= 2;
.connection 2
.open c.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');
ATTACH 'mail.db' AS mail;
INSERT INTO crsql_changes SELECT * FROM mail.b;
SELECT max(db_version) FROM mail.b;
.connection 1
DELETE FROM mail.b;
INSERT INTO mail.b SELECT * FROM crsql_changes WHERE db_version > 2;
.connection 2
INSERT INTO crsql_changes SELECT * FROM mail.b;
SELECT val, (SELECT name FROM mail.site WHERE id = site_id) FROM crsql_changes ORDER BY val;

.print '-- what c hears from a directly is not new'
BEGIN;
INSERT INTO crsql_changes SELECT * FROM mail.a;
SELECT crsql_rows_impacted();
COMMIT;
