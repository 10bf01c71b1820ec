-- crsql_automigrate: the schema becomes what a text says; rows and their history stay.
.load ./crsql
.read include/shown.sql
.print '-- into an empty database'
SELECT crsql_automigrate('
    CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT, done INT DEFAULT 0);
    SELECT crsql_as_crr(''tasks'');
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body);
    CREATE INDEX IF NOT EXISTS tasks_by_title ON tasks (title);
    CREATE INDEX IF NOT EXISTS notes_by_body ON notes (body);
');
INSERT INTO tasks VALUES (1, 'sow', 1), (2, 'reap', 0);
INSERT INTO notes VALUES (1, 'dry');
SELECT * FROM shown;

.print '-- a column more, one less, another index, a new table; CREATE and crsql_as_crr on one line'
CREATE TEMP TABLE texts (name PRIMARY KEY, text);
INSERT INTO texts VALUES ('v2', '
    CREATE TABLE IF NOT EXISTS "tasks" (id integer primary key, title TEXT, /* new */ due TEXT DEFAULT ''never; ever'' NOT NULL); SELECT crsql_as_crr(''tasks'');
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body);
    CREATE TABLE IF NOT EXISTS people (id PRIMARY KEY NOT NULL, name); SELECT crsql_as_crr(''people'');
    CREATE INDEX IF NOT EXISTS tasks_by_title ON tasks (title COLLATE NOCASE);
    CREATE TRIGGER IF NOT EXISTS greet AFTER INSERT ON people BEGIN
        INSERT INTO notes (body) VALUES (CASE new.name WHEN ''x'' THEN ''who?'' ELSE ''hello '' || new.name END);
        SELECT 1;
    END;
');
.once v2.sql
SELECT 'SELECT crsql_automigrate(' || quote(text) || ');' FROM texts WHERE name = 'v2';
.read v2.sql
SELECT * FROM tasks;
SELECT * FROM shown;
SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE '%_by_%';
INSERT INTO people VALUES (1, 'Ann');
SELECT * FROM notes;
UPDATE tasks SET due = 'today' WHERE id = 2;
SELECT * FROM shown WHERE cid = 'due';

.print '-- a second run changes nothing'
.once before
PRAGMA schema_version;
.read v2.sql
.once after
PRAGMA schema_version;
.shell cmp before after && echo 'the same schema_version'
SELECT * FROM shown WHERE cid = 'due';

.print '-- a table that is not in the text is dropped, and its trigger with it'
SELECT crsql_automigrate('
    CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT, due TEXT NOT NULL DEFAULT ''never; ever'');
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body)', 'SELECT crsql_finalize();');
SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'crsql%' AND name NOT LIKE 'sqlite%';
SELECT DISTINCT "table" FROM crsql_changes;
SELECT * FROM tasks;

.print '-- inside a transaction, which can be rolled back'
BEGIN;
INSERT INTO tasks VALUES (3, 'store', 'never');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)');
INSERT INTO tasks VALUES (4, 'sell');
SELECT * FROM tasks;
SELECT "table", pk, cid, val FROM shown;
ROLLBACK;
SELECT * FROM tasks;
UPDATE tasks SET title = 'SOW' WHERE id = 1;
SELECT * FROM shown WHERE val = '''SOW''';

.print '-- views and triggers are made anew where the text says otherwise, and else left alone'
CREATE VIEW open AS SELECT title FROM tasks;
CREATE VIEW mine AS SELECT 1;
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT, due TEXT NOT NULL DEFAULT ''never; ever'');
    CREATE VIEW IF NOT EXISTS open AS SELECT title, due FROM tasks');
SELECT name, sql FROM sqlite_master WHERE type = 'view';

.print '-- clset tables and virtual tables'
INSERT INTO texts VALUES ('v3', '
    CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS ducks_schema USING clset (id PRIMARY KEY NOT NULL, name);
    CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (words);
'), ('v4', '
    CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS ducks_schema USING clset (id PRIMARY KEY NOT NULL, name, age INT);
    CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (words);
');
DROP VIEW open;
.once v3.sql
SELECT 'SELECT crsql_automigrate(' || quote(text) || ');' FROM texts WHERE name = 'v3';
.read v3.sql
INSERT INTO ducks VALUES (1, 'Donald');
INSERT INTO search VALUES ('some words');
.read v3.sql
.once v4.sql
SELECT 'SELECT crsql_automigrate(' || quote(text) || ');' FROM texts WHERE name = 'v4';
.read v4.sql
.once before
PRAGMA schema_version;
.read v4.sql
.once after
PRAGMA schema_version;
.shell cmp before after && echo 'the same schema_version'
UPDATE ducks SET age = 90;
SELECT "table", pk, cid, val FROM shown WHERE "table" = 'ducks';
SELECT * FROM search WHERE words MATCH 'some';
DROP TABLE ducks;
.read v4.sql
SELECT * FROM ducks;
INSERT INTO ducks VALUES (2, 'Daisy', 80);
SELECT "table", pk, cid, val FROM shown WHERE "table" = 'ducks';
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)');
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'crsql%';
