-- An ordered table whose schema changes: the view and the triggers follow.
.load ./crsql
.nullvalue NULL
CREATE TABLE todo (id INTEGER PRIMARY KEY, list, pos, txt);
SELECT crsql_as_crr('todo');
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');
INSERT INTO todo VALUES (1, 'l', 1, 'x'), (2, 'l', 1, 'y');

.print '-- a column added is in the view once a write has noticed it; columns and the table can be renamed'
ALTER TABLE todo ADD COLUMN done DEFAULT 0;
UPDATE todo SET txt = 'z' WHERE id = 2;
ALTER TABLE todo RENAME COLUMN list TO board;
ALTER TABLE todo RENAME COLUMN pos TO place;
ALTER TABLE todo RENAME TO task;
INSERT INTO todo_fractindex (id, list, done, after_id) VALUES (3, 'l', 1, 1);
SELECT * FROM task ORDER BY place;

.print '-- the view has the new names once the table is ordered again'
SELECT crsql_fract_as_ordered('task', 'place', 'board');
SELECT * FROM task_fractindex ORDER BY place;
SELECT name FROM sqlite_schema WHERE name LIKE '%fractindex%' ORDER BY name;

.print '-- an alter session takes view and triggers away, and makes them for what is there at its end'
SELECT crsql_begin_alter('task');
SELECT name FROM sqlite_schema WHERE name LIKE '%fractindex%';
ALTER TABLE task DROP COLUMN txt;
ALTER TABLE task RENAME COLUMN board TO list;
INSERT INTO task (id, list, place) VALUES (4, 'l', 1), (5, 'l', -1);
SELECT crsql_commit_alter('task');
SELECT * FROM task_fractindex ORDER BY place;

.print '-- also if the table is made anew'
SELECT crsql_begin_alter('task');
CREATE TABLE anew (id INTEGER PRIMARY KEY, list, place TEXT, done);
INSERT INTO anew SELECT id, list, place, done FROM task;
DROP TABLE task;
ALTER TABLE anew RENAME TO task;
SELECT crsql_commit_alter('task');
INSERT INTO task_fractindex (id, list, after_id) VALUES (6, 'l', 4);
SELECT * FROM task ORDER BY place;

.print '-- rolled back, all is as before'
BEGIN;
SELECT crsql_begin_alter('task');
ALTER TABLE task DROP COLUMN done;
ROLLBACK;
SELECT * FROM task_fractindex WHERE id = 6;

.print '-- a list column that is dropped leaves the lists to the others; COMMIT ends a session, too'
INSERT INTO task (id, list, place) VALUES (10, 'm', 1);
SELECT crsql_begin_alter('task');
ALTER TABLE task DROP COLUMN list;
COMMIT;
INSERT INTO task (id, place) VALUES (7, 1);
SELECT id, quote(place) FROM task ORDER BY place, id;

.print '-- without its order column a table is not ordered any more'
SELECT crsql_begin_alter('task');
ALTER TABLE task DROP COLUMN place;
SELECT crsql_commit_alter('task');
SELECT name FROM sqlite_schema WHERE name LIKE '%fractindex%';

.print '-- an ordinary table stays ordered, too, and a dropped one leaves nothing that is in the way'
CREATE TABLE plain (id INTEGER PRIMARY KEY, pos);
SELECT crsql_as_crr('plain');
SELECT crsql_fract_as_ordered('plain', 'pos');
SELECT crsql_as_table('plain');
INSERT INTO plain VALUES (1, 1);
SELECT * FROM plain_fractindex;
DROP TABLE plain;
CREATE TABLE other (id INTEGER PRIMARY KEY, pos);
SELECT crsql_as_crr('other');
SELECT name FROM sqlite_schema WHERE name LIKE '%fractindex%';
ALTER TABLE other RENAME TO another;
SELECT * FROM crsql_master WHERE key LIKE 'fract%';
