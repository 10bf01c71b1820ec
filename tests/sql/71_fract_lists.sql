-- Ordered lists. -1 in the order column is the beginning of the row's list, 1 its end.
.load ./crsql
.nullvalue NULL

.print '-- the lists are told apart by the list columns'
CREATE TABLE todo (id INTEGER PRIMARY KEY NOT NULL, list INT, pos, txt);
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');
INSERT INTO todo VALUES (1, 9, 1, 'x'), (2, 9, 1, 'y'), (3, 9, -1, 'z'), (4, 8, 1, 'w');
SELECT id, list, quote(pos) FROM todo ORDER BY list, pos;

.print '-- an update moves a row, also into another list'
UPDATE todo SET pos = 1 WHERE id = 3;
UPDATE todo SET pos = -1, list = 9 WHERE id = 4;
SELECT id, list, quote(pos) FROM todo ORDER BY list, pos;

.print '-- NULL is a list; without list columns the whole table is one'
INSERT INTO todo VALUES (5, NULL, 1, 'n'), (6, NULL, 1, 'n');
SELECT id, quote(pos) FROM todo WHERE list IS NULL ORDER BY pos;
CREATE TABLE steps (id TEXT PRIMARY KEY, pos TEXT);
SELECT crsql_fract_as_ordered('steps', 'pos');
INSERT INTO steps VALUES ('a', 1), ('b', 1), ('c', -1);
SELECT id, quote(pos) FROM steps ORDER BY pos;

.print '-- in a TEXT column the literals arrive as texts; whatever casts to -1 or 1 counts, all else is kept'
UPDATE steps SET pos = -1 WHERE id = 'b';
UPDATE steps SET pos = '1' WHERE id = 'c';
SELECT id, quote(pos) FROM steps ORDER BY pos;
INSERT INTO steps VALUES ('d', 1.9), ('e', '1abc'), ('f', '-1'), ('g', 'a P'), ('h', 0), ('i', NULL), ('j', 2);
SELECT id, quote(pos) FROM steps ORDER BY pos, id;

.print '-- rows that were there before get positions by an update, in the order of their keys'
CREATE TABLE old (id INTEGER PRIMARY KEY, pos);
INSERT INTO old (id) VALUES (3), (1), (2);
SELECT crsql_fract_as_ordered('old', 'pos');
UPDATE old SET pos = 1 WHERE pos IS NULL;
SELECT id, quote(pos) FROM old ORDER BY pos;

.print '-- WITHOUT ROWID, a composite key, names that need quotes'
CREATE TABLE "my ""list" ("the key" TEXT, "k2" INT, "in" TEXT, "order" TEXT, PRIMARY KEY ("the key", k2)) WITHOUT ROWID;
SELECT crsql_fract_as_ordered('my "list', 'order', 'in');
INSERT INTO "my ""list" VALUES ('a', 1, 7, 1), ('a', 2, '7', 1), ('b', 1, 7, -1);
SELECT "the key", k2, quote("order") FROM "my ""list" ORDER BY "order";

.print '-- while the sync bit is set a literal is left alone: what comes from a peer is the same on all replicas'
SELECT crsql_internal_sync_bit(1);
INSERT INTO old VALUES (4, 1);
SELECT crsql_internal_sync_bit(0);
INSERT INTO old VALUES (5, 1), (6, -1);
SELECT id, quote(pos) FROM old ORDER BY pos;

.print '-- called again: the same does nothing, other columns replace the old ones'
CREATE TEMP TABLE before AS SELECT schema_version FROM pragma_schema_version;
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');
SELECT crsql_fract_as_ordered('Todo', 'Pos', 'List');
SELECT (SELECT schema_version FROM before) = (SELECT schema_version FROM pragma_schema_version);
SELECT crsql_fract_as_ordered('todo', 'pos', 'txt');
UPDATE todo SET pos = 1 WHERE id = 3;
SELECT id, quote(pos) FROM todo WHERE id = 3;

.print '-- its triggers and its view go by the names that cr-sqlite uses'
SELECT type, name FROM sqlite_schema WHERE name LIKE '%todo_fractindex%' ORDER BY name;
