-- What crsql_automigrate refuses, and that nothing is changed then.
.load ./crsql
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x' CHECK (b <> ''), c);
SELECT crsql_as_crr('t');
INSERT INTO t VALUES (1, 'one', 1);
CREATE TABLE plain (a, b, PRIMARY KEY (a), CHECK (b > 0));

.print '-- arguments'
SELECT crsql_automigrate();
SELECT crsql_automigrate('', '', '');
SELECT crsql_automigrate(NULL);
SELECT crsql_automigrate(5);
SELECT crsql_automigrate('CREATE TABLE t (a)', 5);

.print '-- a text that would drop everything'
SELECT crsql_automigrate('');
SELECT crsql_automigrate(' ; -- nothing');
SELECT crsql_automigrate('SELECT crsql_as_crr(''t'')');
SELECT crsql_automigrate('CREATE TEMP TABLE t (a)');

.print '-- a text with faults; each is named'
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT); CREATE TABLE u (a, , b)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY; SELECT 1');
SELECT crsql_automigrate('CREATE TABLE u (a); CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1;');
SELECT crsql_automigrate('CREATE TABLE u (a); CREATE VIRTUAL TABLE v USING no_module(a)');
SELECT crsql_automigrate('CREATE TABLE u (a); COMMIT');
SELECT crsql_automigrate('begin; CREATE TABLE u (a); end');
SELECT crsql_automigrate('CREATE TABLE u (a)', 'SELECT crsql_finalize(); DROP TABLE missing');
SELECT crsql_automigrate('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''), c);
    CREATE TABLE IF NOT EXISTS plain (a, b, CHECK (b > 0), PRIMARY KEY (a))');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''));
    SELECT crsql_as_crr(''missing'')');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''));
    CREATE TABLE IF NOT EXISTS u (a, b); SELECT crsql_as_crr(''u'')');

.print '-- columns that SQLite cannot add or drop'
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''), d DEFAULT (random()))');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''), c, d NOT NULL)');
CREATE VIEW seen AS SELECT c FROM t;
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''))');
DROP VIEW seen;


.print '-- while the call itself reads a table'
CREATE TEMP TABLE texts (text);
INSERT INTO texts VALUES ('CREATE TABLE IF NOT EXISTS plain (a, b, PRIMARY KEY (a), CHECK (b > 0))');
SELECT crsql_automigrate(text) FROM texts;

.print '-- tables that would lose their rows unseen'
CREATE VIRTUAL TABLE ducks_schema USING clset (id PRIMARY KEY NOT NULL, name);
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS ducks (id PRIMARY KEY NOT NULL, name)');
DROP TABLE ducks_schema;
CREATE VIRTUAL TABLE search USING fts5 (words);
SELECT crsql_automigrate('CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (words, more)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS search (words)');
DROP TABLE search;

.print '-- changes of a declaration'
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b INTEGER DEFAULT ''x'' CHECK (b <> ''''), c)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''X'' CHECK (b <> ''''), c)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'', c)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER, b TEXT DEFAULT ''x'' CHECK (b <> ''''), c, PRIMARY KEY (a, b))');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''), c TEXT NOT NULL DEFAULT 1)');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT DEFAULT ''x'' CHECK (b <> ''''), c TEXT) STRICT');
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS plain (a, b, PRIMARY KEY (b), CHECK (b > 0))');
SELECT crsql_automigrate('CREATE TABLE u (a); CREATE VIEW t AS SELECT 1');

.print '-- nothing was changed, no transaction is open, and everything goes on'
SELECT sql FROM sqlite_master WHERE name IN ('t', 'u', 'plain', 'v');
BEGIN;
INSERT INTO t VALUES (2, 'two', 2);
SELECT crsql_automigrate('CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, d NOT NULL)');
INSERT INTO t VALUES (3, 'three', 3);
COMMIT;
SELECT * FROM t;
SELECT count(*) FROM crsql_changes;
