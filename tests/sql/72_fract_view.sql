-- The view <table>_fractindex: rows are put after other rows.
.load ./crsql
.nullvalue NULL
CREATE TABLE todo (id INTEGER PRIMARY KEY NOT NULL, list INT, pos, txt);
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');
INSERT INTO todo VALUES (1, 9, 1, 'x'), (2, 9, 1, 'y'), (4, 8, 1, 'w');

.print '-- inserted after a row; any position that is given is ignored'
INSERT INTO todo_fractindex (id, list, txt, after_id) VALUES (5, 9, 'n', 1);
INSERT INTO todo_fractindex (id, list, txt, pos, after_id) VALUES (6, 9, 'm', 'a#', 2);
SELECT id, quote(pos), txt FROM todo WHERE list = 9 ORDER BY pos;

.print '-- after no row, an unknown one, one of another list: at the beginning'
INSERT INTO todo_fractindex (id, list, after_id) VALUES (7, 9, NULL);
INSERT INTO todo_fractindex (id, list, after_id) VALUES (8, 9, 77);
INSERT INTO todo_fractindex (id, list, after_id) VALUES (9, 9, 4);
INSERT INTO todo_fractindex (list, txt) VALUES (9, 'numbered by SQLite');
SELECT id, quote(pos) FROM todo WHERE list = 9 ORDER BY pos;

.print '-- an update that mentions after_id moves the row; NULL is the beginning'
UPDATE todo_fractindex SET after_id = 2 WHERE id = 5;
UPDATE todo_fractindex SET after_id = NULL, txt = 'first' WHERE id = 1;
SELECT id, quote(pos), txt FROM todo WHERE list = 9 ORDER BY pos LIMIT 3;
SELECT id, quote(pos) FROM todo WHERE list = 9 ORDER BY pos DESC LIMIT 3;

.print '-- one that does not mention it leaves the row in its place'
UPDATE todo_fractindex SET txt = 'changed' WHERE id = 5;
SELECT id, quote(pos), txt FROM todo WHERE id = 5;

.print '-- a position can be written there, too; so can the key and the list, while the row moves'
UPDATE todo_fractindex SET pos = 1 WHERE id = 5;
UPDATE todo_fractindex SET id = 50, list = 8, after_id = 4 WHERE id = 2;
SELECT id, list, quote(pos), txt FROM todo WHERE id IN (4, 5, 50) ORDER BY list, pos;

.print '-- after_id reads as NULL; rows are deleted in the table'
SELECT * FROM todo_fractindex WHERE list = 8 ORDER BY pos;
DELETE FROM todo_fractindex WHERE id = 50;

.print '-- two rows at one position, written apart: the anchor makes room'
CREATE TABLE t (id INTEGER PRIMARY KEY, pos);
SELECT crsql_fract_as_ordered('t', 'pos');
INSERT INTO t VALUES (0, 'Z~'), (1, 'a!'), (2, 'a!');
INSERT INTO t_fractindex (id, after_id) VALUES (3, 1);
SELECT id, quote(pos) FROM t ORDER BY pos, id;
DELETE FROM t;
INSERT INTO t VALUES (1, 'Zm'), (2, 'ZmG'), (3, 'ZmG'), (4, 'ZmV'), (5, 'Zn');
UPDATE t_fractindex SET after_id = 2 WHERE id = 5;
SELECT id, quote(pos) FROM t ORDER BY pos, id;

.print '-- a composite key: all its columns name the row to come after'
CREATE TABLE pair (a TEXT, b INT, list TEXT, pos TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
SELECT crsql_fract_as_ordered('pair', 'pos', 'list');
INSERT INTO pair VALUES ('x', 1, 5, 'a!'), ('x', 2, 5, 'a!'), ('y', 1, 6, 'a!');
INSERT INTO pair_fractindex (a, b, list, after_a, after_b) VALUES ('new', 1, 5, 'x', 1);
UPDATE pair_fractindex SET after_a = 'x' WHERE a = 'new';
SELECT a, b, quote(pos) FROM pair WHERE list = '5' ORDER BY pos;
UPDATE pair_fractindex SET after_a = 'x', after_b = '2' WHERE a = 'new';
SELECT a, b, quote(pos) FROM pair WHERE list = '5' ORDER BY pos;

.print '-- what a NOT NULL column can not hold is its default'
CREATE TABLE d (id INTEGER PRIMARY KEY, pos, kind NOT NULL DEFAULT "plain", size INT NOT NULL DEFAULT (1 + 1), note DEFAULT 'n');
SELECT crsql_fract_as_ordered('d', 'pos');
INSERT INTO d_fractindex (id) VALUES (1);
SELECT * FROM d_fractindex;
