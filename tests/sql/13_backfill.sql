-- Rows that a table holds when it becomes replicated are changes of that moment, in key order.
.load ./crsql
.read include/shown.sql

.print '-- every cell, NULLs and defaults too, in one version'
CREATE TABLE goods (id PRIMARY KEY NOT NULL, name, price DEFAULT 5);
INSERT INTO goods VALUES (10, NULL, 5), (2, 'two', 2), ('a', 'text', 1.5);
SELECT crsql_as_crr('goods');
SELECT * FROM shown;

.print '-- a row of keys alone is one sentinel'
CREATE TABLE links (a NOT NULL, b NOT NULL, PRIMARY KEY (a, b));
INSERT INTO links VALUES (2, 1), (1, 2);
SELECT crsql_as_crr('links');
SELECT * FROM shown WHERE "table" = 'links';

.print '-- an empty table uses no version'
CREATE TABLE empty (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('empty');
SELECT crsql_db_version();

.print '-- one transaction, one version, one run of seq'
CREATE TABLE t1 (id INTEGER PRIMARY KEY, v);
CREATE TABLE t2 (id INTEGER PRIMARY KEY, v);
INSERT INTO t1 VALUES (1, 'a');
INSERT INTO t2 VALUES (1, 'b');
BEGIN;
SELECT crsql_as_crr('t1');
SELECT crsql_as_crr('t2');
INSERT INTO t1 VALUES (2, 'c');
COMMIT;
SELECT * FROM shown WHERE db_version = crsql_db_version();
