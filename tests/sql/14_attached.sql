-- Only the tables of the main database are replicated; those of an attached one are left alone.
.open other.db
.load ./crsql
CREATE TABLE z (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('z');
INSERT INTO z VALUES (1, 'theirs');

.open one.db
.load ./crsql
ATTACH 'other.db' AS other;
CREATE TABLE z (id INTEGER PRIMARY KEY, v);
CREATE TEMP TABLE before AS SELECT name FROM other.sqlite_master;
SELECT crsql_as_crr('z');
.print '-- the table of the same name there keeps what it had'
SELECT count(*) FROM before WHERE name NOT IN (SELECT name FROM other.sqlite_master);
.print '-- its changes are not seen here, and it cannot be written from here, where they would be lost'
INSERT INTO z VALUES (1, 'ours');
SELECT "table", val FROM crsql_changes;
INSERT INTO other.z VALUES (2, 'lost');
UPDATE other.z SET v = 'lost';
DELETE FROM other.z;
SELECT * FROM other.z;
SELECT "table", val FROM crsql_changes;
.print '-- the attached database opened by itself has its own changes'
.open other.db
.load ./crsql
SELECT "table", val, db_version FROM crsql_changes;
