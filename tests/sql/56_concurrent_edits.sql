-- Three databases change the same rows at the same time. Everyone who has all changes ends the same,
-- whatever the order in which they came.
.open a.db
.load ./crsql
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind, legs);
SELECT crsql_as_crr('pets');
INSERT INTO pets VALUES ('Rex', 'dog', 4), ('Tom', 'cat', 4), ('Kit', 'fox', 4), ('Sid', 'snake', 0), ('Bob', 'bird', 2);
ATTACH 'mail.db' AS mail;
CREATE TABLE mail.start ("table", pk, cid, val, col_version, db_version, site_id, cl, seq);
CREATE TABLE mail.a AS SELECT * FROM mail.start;
CREATE TABLE mail.b AS SELECT * FROM mail.start;
CREATE TABLE mail.c AS SELECT * FROM mail.start;
INSERT INTO mail.start SELECT * FROM crsql_changes;
.connection 1
.open b.db
.load ./crsql
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind, legs);
SELECT crsql_as_crr('pets');
ATTACH 'mail.db' AS mail;
INSERT INTO crsql_changes SELECT * FROM mail.start;
.connection 2
.open c.db
.load ./crsql
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind, legs);
SELECT crsql_as_crr('pets');
ATTACH 'mail.db' AS mail;
INSERT INTO crsql_changes SELECT * FROM mail.start;

-- a: deletes Rex, re-creates Tom and Kit, edits Sid's kind
.connection 0
DELETE FROM pets WHERE name = 'Rex';
DELETE FROM pets WHERE name IN ('Tom', 'Kit');
INSERT INTO pets VALUES ('Tom', 'tiger', 4), ('Kit', 'vixen', 3);
UPDATE pets SET kind = 'adder' WHERE name = 'Sid';
UPDATE pets SET legs = 1 WHERE name = 'Bob';
INSERT INTO mail.a SELECT * FROM crsql_changes WHERE db_version > 1;
-- b: edits Rex, edits Tom ten times, re-creates Kit otherwise, edits Sid's legs
.connection 1
UPDATE pets SET kind = 'wolf' WHERE name = 'Rex';
UPDATE pets SET kind = 'c1' WHERE name = 'Tom';
UPDATE pets SET kind = 'c2' WHERE name = 'Tom';
UPDATE pets SET kind = 'c3' WHERE name = 'Tom';
UPDATE pets SET kind = 'z' WHERE name = 'Tom';
DELETE FROM pets WHERE name = 'Kit';
INSERT INTO pets VALUES ('Kit', 'cub', 4);
UPDATE pets SET legs = 2 WHERE name = 'Sid';
UPDATE pets SET legs = 9 WHERE name = 'Bob';
INSERT INTO mail.b SELECT * FROM crsql_changes WHERE site_id = crsql_site_id();
-- c: edits Bob twice, and adds what b adds too
.connection 2
UPDATE pets SET legs = 5 WHERE name = 'Bob';
UPDATE pets SET legs = 3 WHERE name = 'Bob';
INSERT INTO pets VALUES ('New', 'newt', 4);
INSERT INTO mail.c SELECT * FROM crsql_changes WHERE site_id = crsql_site_id();
.connection 1
INSERT INTO pets VALUES ('New', 'gnu', 5);
INSERT INTO mail.b SELECT * FROM crsql_changes WHERE db_version = crsql_db_version();

-- every one in another order; c gets all of it twice and in reverse
.connection 0
INSERT INTO crsql_changes SELECT * FROM mail.b;
INSERT INTO crsql_changes SELECT * FROM mail.c;
.connection 1
INSERT INTO crsql_changes SELECT * FROM mail.c ORDER BY rowid DESC;
INSERT INTO crsql_changes SELECT * FROM mail.a ORDER BY rowid DESC;
.connection 2
INSERT INTO crsql_changes SELECT * FROM (SELECT * FROM mail.a UNION ALL SELECT * FROM mail.b ORDER BY cid, db_version DESC);
INSERT INTO crsql_changes SELECT * FROM mail.b ORDER BY rowid DESC;
INSERT INTO crsql_changes SELECT * FROM mail.a;

.print '-- a'
.connection 0
SELECT * FROM pets ORDER BY name;
.print '-- b has what a has, and c too: rows that one has and the other lacks'
ATTACH 'b.db' AS b;
ATTACH 'c.db' AS c;
SELECT count(*) FROM (SELECT * FROM pets EXCEPT SELECT * FROM b.pets);
SELECT count(*) FROM (SELECT * FROM b.pets EXCEPT SELECT * FROM pets);
SELECT count(*) FROM (SELECT * FROM pets EXCEPT SELECT * FROM c.pets);
SELECT count(*) FROM (SELECT * FROM c.pets EXCEPT SELECT * FROM pets);

.print '-- a new database that hears it all from a alone'
CREATE TABLE mail.all_of_a AS SELECT * FROM mail.start WHERE 0;
INSERT INTO mail.all_of_a SELECT * FROM crsql_changes;
.connection 3
.open d.db
.load ./crsql
CREATE TABLE pets (name TEXT PRIMARY KEY NOT NULL, kind, legs);
SELECT crsql_as_crr('pets');
ATTACH 'mail.db' AS mail;
ATTACH 'a.db' AS a;
INSERT INTO crsql_changes SELECT * FROM mail.all_of_a;
SELECT count(*) FROM (SELECT * FROM pets EXCEPT SELECT * FROM a.pets);
SELECT count(*) FROM (SELECT * FROM a.pets EXCEPT SELECT * FROM pets);
.print '-- and its changes are those of a'
SELECT count(*) FROM (SELECT "table", pk, cid, val, col_version, cl, site_id FROM crsql_changes
    EXCEPT SELECT "table", pk, cid, val, col_version, cl, site_id FROM mail.all_of_a);
SELECT (SELECT count(*) FROM crsql_changes) = (SELECT count(*) FROM mail.all_of_a);
