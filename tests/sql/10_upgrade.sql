-- crsql_as_crr makes an ordinary table a replicated one.
.load ./crsql
.read include/shown.sql

.print '-- the schema may be named; a second call changes nothing'
CREATE TABLE rivers (name TEXT PRIMARY KEY NOT NULL, length REAL);
SELECT crsql_as_crr('rivers');
INSERT INTO rivers VALUES ('Elbe', 1094);
SELECT crsql_as_crr('rivers');
SELECT crsql_as_crr('main', 'rivers');
SELECT * FROM shown;

.print '-- any case finds the table; the changes carry the name it was declared with'
CREATE TABLE Lakes (id INTEGER PRIMARY KEY NOT NULL, depth INTEGER);
SELECT crsql_as_crr('lakes');
INSERT INTO LAKES VALUES (1, 538);
SELECT * FROM shown WHERE db_version = 2;

.print '-- accepted: every kind of key that cannot be NULL'
CREATE TABLE k1 (id INTEGER PRIMARY KEY, v);
CREATE TABLE k2 (id REAL PRIMARY KEY NOT NULL, v);
CREATE TABLE k3 (id BLOB PRIMARY KEY NOT NULL, v);
CREATE TABLE k4 (id PRIMARY KEY NOT NULL, v);
CREATE TABLE k5 (y NOT NULL, z NOT NULL, v, PRIMARY KEY (z DESC, y));
CREATE TABLE k6 (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE k7 (id TEXT PRIMARY KEY, v ANY) STRICT;
CREATE TABLE k8 (id TEXT PRIMARY KEY NOT NULL UNIQUE, v);
SELECT crsql_as_crr('k' || value) FROM json_each('[1,2,3,4,5,6,7,8]');
INSERT INTO k1 VALUES (1, 'v');
INSERT INTO k2 VALUES (2, 'v');
INSERT INTO k3 VALUES (x'03', 'v');
INSERT INTO k4 VALUES ('four', 'v');
INSERT INTO k5 VALUES (1, 2, 'v');
INSERT INTO k6 VALUES (1, 2);
INSERT INTO k7 VALUES ('seven', 'v');
INSERT INTO k8 VALUES ('eight', 'v');
SELECT "table", pk, cid FROM shown WHERE "table" LIKE 'k_';

.print '-- accepted: generated columns (not replicated, each peer computes them), CHECK, defaults, indexes'
CREATE TABLE sizes (
    id INTEGER PRIMARY KEY,
    width INTEGER NOT NULL DEFAULT 1 CHECK (width > 0),
    height INTEGER NOT NULL DEFAULT 1,
    area INTEGER AS (width * height) STORED,
    half NOT NULL AS (width / 2.0)
);
CREATE INDEX sizes_by_area ON sizes (area);
SELECT crsql_as_crr('sizes');
INSERT INTO sizes (id, width, height) VALUES (1, 3, 4);
SELECT cid, val FROM shown WHERE "table" = 'sizes';

.print '-- accepted: the word AUTOINCREMENT where it means nothing'
CREATE TABLE steps (id INTEGER PRIMARY KEY /* no AUTOINCREMENT here */, autoincrement_step);
SELECT crsql_as_crr('steps');

.print '-- accepted: a table that others refer to'
CREATE TABLE notes (id INTEGER PRIMARY KEY, river TEXT REFERENCES rivers (name));
INSERT INTO notes VALUES (1, 'Elbe');
SELECT count(*) FROM notes JOIN rivers ON rivers.name = river;

.print '-- undone with the transaction or savepoint'
CREATE TABLE hills (name TEXT PRIMARY KEY NOT NULL, height);
SAVEPOINT s;
SELECT crsql_as_crr('hills');
INSERT INTO hills VALUES ('Brocken', 1141);
ROLLBACK TO s;
RELEASE s;
INSERT INTO hills VALUES ('Kulm', 600);
SELECT count(*) FROM crsql_changes WHERE "table" = 'hills';
BEGIN;
SELECT crsql_as_crr('hills');
ROLLBACK;
INSERT INTO hills VALUES ('Kofel', 1342);
SELECT count(*) FROM crsql_changes WHERE "table" = 'hills';
SELECT crsql_as_crr('hills');
SELECT count(*) FROM crsql_changes WHERE "table" = 'hills';
