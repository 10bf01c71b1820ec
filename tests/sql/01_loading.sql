-- Loading the extension gives a database its identity, the site id.
.open one.db
.load ./crsql

.print '-- the site id: 16 random bytes in the form of a UUID, version 4'
SELECT length(crsql_site_id()), substr(hex(crsql_site_id()), 13, 1), substr(hex(crsql_site_id()), 17, 1) IN ('8', '9', 'A', 'B');
SELECT ordinal, site_id = crsql_site_id() FROM crsql_site_id;

.print '-- tables that applications may read'
SELECT name, (SELECT group_concat(name, ', ') FROM pragma_table_info(m.name))
FROM sqlite_master AS m
WHERE name IN ('crsql_master', 'crsql_site_id', 'crsql_tracked_peers') ORDER BY name;

.print '-- which release and which build'
SELECT typeof(crsql_version()), typeof(crsql_sha());

.print '-- loading twice is harmless: two cells, two changes'
.load ./crsql
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind, legs);
SELECT crsql_as_crr('pets');
INSERT INTO pets VALUES ('Rex', 'dog', 4);
SELECT cid, seq FROM crsql_changes;

.print '-- crsql_finalize is not needed; it may be called any time'
SELECT crsql_finalize();
SELECT crsql_finalize();
INSERT INTO pets VALUES ('Tom', 'cat', 4);
SELECT count(*) FROM crsql_changes;

.print '-- every connection to one file has the same id, now and later'
ATTACH 'note.db' AS note;
CREATE TABLE note.id AS SELECT crsql_site_id() AS id;
.connection 1
.open one.db
.load ./crsql
ATTACH 'note.db' AS note;
SELECT id = crsql_site_id() FROM note.id;
.connection 0
.open one.db
.load ./crsql
ATTACH 'note.db' AS note;
SELECT id = crsql_site_id(), (SELECT count(*) FROM crsql_site_id) FROM note.id;

.print '-- another file has another id'
.open two.db
.load ./crsql
ATTACH 'note.db' AS note;
SELECT id = crsql_site_id() FROM note.id;

.print '-- a file whose id was removed gets a new one; its own changes show the new one'
.open one.db
DELETE FROM crsql_site_id WHERE ordinal = 0;
.open one.db
.load ./crsql
ATTACH 'note.db' AS note;
SELECT id = crsql_site_id() FROM note.id;
SELECT DISTINCT site_id = crsql_site_id() FROM crsql_changes;

.print '-- without the extension: reading works, and writes that would go unnoticed are refused'
.open one.db
CREATE TABLE plain (a);
INSERT INTO plain VALUES (1);
SELECT count(*) FROM pets;
INSERT INTO pets VALUES ('Kit', 'fox', 4);
SELECT count(*) FROM pets;

.print '-- a read-only database can be read'
.open --readonly one.db
.load ./crsql
SELECT crsql_db_version(), count(*) FROM crsql_changes;
INSERT INTO pets VALUES ('Kit', 'fox', 4);
SELECT count(*) FROM pets;

.print '-- a read-only database that never saw the extension is refused, and stays usable'
.open plain.db
CREATE TABLE plain (a);
.open --readonly plain.db
.load ./crsql
SELECT count(*) FROM plain;

.print '-- loaded in a transaction that is rolled back: the next use sets things up again'
.open rolled.db
BEGIN;
.load ./crsql
ROLLBACK;
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind);
SELECT crsql_as_crr('pets');
INSERT INTO pets VALUES ('Rex', 'dog');
SELECT cid, val, db_version FROM crsql_changes;
