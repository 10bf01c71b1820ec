-- A copied file has the site id of the original. crsql_site_id_reset() makes the copy a replica of its own.
.open original.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a, b);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2);
UPDATE t SET a = 'ONE' WHERE id = 1;
CREATE TEMP TABLE before AS SELECT crsql_site_id() AS id;
VACUUM INTO 'copy.db';
.connection 1
.open copy.db
.load ./crsql
CREATE TEMP TABLE before AS SELECT crsql_site_id() AS id;
.print '-- an id of 16 bytes, at once, and for what is written from now on'
SELECT length(crsql_site_id_reset());
SELECT crsql_site_id() = (SELECT id FROM before);
INSERT INTO t VALUES (3, 'three', 3);
UPDATE t SET b = 11 WHERE id = 1;
.print '-- the history stays with the original'
SELECT id, cid, val, db_version, CASE site_id WHEN crsql_site_id() THEN 'copy' WHEN (SELECT id FROM before) THEN 'original' END
FROM crsql_changes, t WHERE pk = crsql_pack_columns(id);
SELECT ordinal, site_id = crsql_site_id() FROM crsql_site_id ORDER BY ordinal;
SELECT crsql_check();
ATTACH 'original.db' AS original;
CREATE TEMP TABLE outbox AS SELECT * FROM crsql_changes WHERE db_version > 2;
CREATE TABLE original.mail AS SELECT * FROM outbox;
.print '-- the triggers of the one are not taken for those of the other'
UPDATE original.t SET a = 'lost' WHERE id = 2;
DETACH original;
.connection 0
.print '-- the original takes what the copy wrote'
INSERT INTO crsql_changes SELECT * FROM mail;
SELECT * FROM t;
SELECT count(DISTINCT site_id) FROM crsql_changes;
SELECT crsql_check();
.print '-- in a transaction: what was written before the call stays with the former id, and a rollback undoes it all'
.connection 1
BEGIN;
INSERT INTO t VALUES (4, 'four', 4);
CREATE TEMP TABLE second AS SELECT crsql_site_id() AS id;
SELECT length(crsql_site_id_reset());
INSERT INTO t VALUES (5, 'five', 5);
SELECT val, db_version, site_id = crsql_site_id(), site_id = (SELECT id FROM second) FROM crsql_changes WHERE cid = 'a' AND db_version > 4;
ROLLBACK;
SELECT count(*) FROM t;
SELECT crsql_site_id() = (SELECT site_id FROM crsql_site_id WHERE ordinal = 0), (SELECT count(*) FROM crsql_site_id);
INSERT INTO t VALUES (4, 'four', 4);
SELECT crsql_check();
SELECT crsql_site_id_reset('now');
.print '-- a copy that went on under the same id: the original meets its own id in changes that it does not know'
.connection 0
VACUUM INTO 'clone.db';
.connection 2
.open clone.db
.load ./crsql
INSERT INTO t VALUES (6, 'from the clone', 6);
ATTACH 'original.db' AS original;
DROP TABLE original.mail;
CREATE TABLE original.mail AS SELECT * FROM crsql_changes;
DETACH original;
.connection 0
SELECT crsql_check();
INSERT INTO crsql_changes SELECT * FROM mail;
SELECT count(*) FROM t WHERE id = 6;
SELECT crsql_check();
SELECT "table", problem, detail FROM crsql_check;
.print '-- with an id of its own that is settled'
SELECT length(crsql_site_id_reset());
SELECT crsql_check();
