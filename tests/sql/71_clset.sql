-- clset: a replicated table by one CREATE statement. x_schema makes x, and takes it along when it is dropped.
.load ./crsql
.read include/shown.sql

.print '-- made, and captured'
CREATE VIRTUAL TABLE ducks_schema USING clset (
    id PRIMARY KEY NOT NULL,  -- a comment, too
    name TEXT DEFAULT 'nameless' CHECK (name <> ''),
    "odd, column" NUMERIC(10, 2)
);
INSERT INTO ducks (id, "odd, column") VALUES (1, '2.50');
SELECT * FROM ducks;
SELECT * FROM shown;
CREATE VIRTUAL TABLE IF NOT EXISTS ducks_schema USING clset (id PRIMARY KEY NOT NULL);
CREATE VIRTUAL TABLE pond_schema USING CLSET (a NOT NULL, b NOT NULL, v, PRIMARY KEY (a, b));
INSERT INTO pond VALUES (1, 2, 3);
SELECT * FROM shown WHERE "table" = 'pond';

.print '-- x_schema holds no rows and takes none'
SELECT count(*) FROM ducks_schema;
INSERT INTO ducks_schema (schema) VALUES ('x');
DELETE FROM ducks_schema WHERE schema = 'x';

.print '-- what is wrong is refused whole'
CREATE VIRTUAL TABLE ducks USING clset (id PRIMARY KEY NOT NULL, v);
CREATE VIRTUAL TABLE geese USING clset (id PRIMARY KEY NOT NULL, v);
CREATE VIRTUAL TABLE geese_SCHEMA USING clset (id PRIMARY KEY NOT NULL, v);
CREATE VIRTUAL TABLE _schema USING clset (id PRIMARY KEY NOT NULL, v);
CREATE VIRTUAL TABLE geese_schema USING clset;
CREATE VIRTUAL TABLE geese_schema USING clset ();
CREATE VIRTUAL TABLE geese_schema USING clset (id PRIMARY KEY NOT NULL, v UNIQUE);
CREATE VIRTUAL TABLE geese_schema USING clset (id);
CREATE VIRTUAL TABLE geese_schema USING clset (id PRIMARY KEY NOT NULL, CHECK);
CREATE TABLE taken (v);
CREATE VIRTUAL TABLE taken_schema USING clset (id PRIMARY KEY NOT NULL, v);
CREATE VIRTUAL TABLE temp.geese_schema USING clset (id PRIMARY KEY NOT NULL, v);
ATTACH ':memory:' AS other;
CREATE VIRTUAL TABLE other.geese_schema USING clset (id PRIMARY KEY NOT NULL, v);
SELECT name FROM sqlite_master WHERE name LIKE '%geese%' OR name LIKE 'taken_%';
SELECT name FROM temp.sqlite_master WHERE name LIKE '%geese%' UNION ALL SELECT name FROM other.sqlite_master;
SELECT count(*) FROM crsql_tables;

.print '-- also inside a transaction, which goes on'
BEGIN;
INSERT INTO taken VALUES ('before');
CREATE VIRTUAL TABLE geese_schema USING clset (id PRIMARY KEY NOT NULL, v UNIQUE);
SELECT * FROM geese;
INSERT INTO ducks (id) VALUES (2);
CREATE VIRTUAL TABLE geese_schema USING clset (id PRIMARY KEY NOT NULL, v);
INSERT INTO geese VALUES (1, 'grey');
COMMIT;
SELECT * FROM taken;
SELECT "table", pk, cid, val FROM shown WHERE db_version = crsql_db_version();

.print '-- a rollback takes everything back'
BEGIN;
CREATE VIRTUAL TABLE swans_schema USING clset (id PRIMARY KEY NOT NULL, v);
INSERT INTO swans VALUES (1, 'white');
DROP TABLE geese_schema;
SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'swans%' OR name LIKE 'geese%');
ROLLBACK;
SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'swans%' OR name LIKE 'geese%') ORDER BY 1;
UPDATE geese SET v = 'pink';
SELECT "table", pk, cid, val FROM shown WHERE "table" = 'geese';

.print '-- x_schema keeps its name; x can be given another, and is then on its own'
ALTER TABLE geese_schema RENAME TO ganders_schema;
ALTER TABLE geese RENAME TO ganders;
DROP TABLE geese_schema;
INSERT INTO ganders VALUES (2, 'blue');
SELECT "table", pk, cid, val FROM shown WHERE "table" = 'ganders';

.print '-- dropping x_schema drops x and its changes; versions do not fall'
SELECT crsql_db_version();
DROP TABLE pond_schema;
SELECT * FROM pond;
SELECT DISTINCT "table" FROM crsql_changes;
SELECT crsql_db_version();

.print '-- also after x itself was dropped, and made a view of that name'
DROP TABLE ducks;
CREATE VIEW ducks AS SELECT 1 AS one;
DROP TABLE ducks_schema;
SELECT * FROM ducks;
SELECT name FROM sqlite_master WHERE name LIKE 'ducks%';
