-- What can't be ordered, and what to do about it.
.load ./crsql
CREATE TABLE todo (id INTEGER PRIMARY KEY, list, pos, made AS (pos || '!'));
CREATE TABLE no_key (id, pos);
CREATE TABLE clash (id INTEGER PRIMARY KEY, after_ID, pos);
CREATE TABLE taken (id INTEGER PRIMARY KEY, pos);
CREATE VIEW taken_fractindex AS SELECT 1;
CREATE TABLE taken2 (id INTEGER PRIMARY KEY, pos);
CREATE INDEX taken2_fractindex ON taken2 (pos);
CREATE TEMP TABLE scratch (id INTEGER PRIMARY KEY, pos);

.print '-- arguments'
SELECT crsql_fract_as_ordered();
SELECT crsql_fract_as_ordered('todo');
SELECT crsql_fract_as_ordered('todo', 5);
SELECT crsql_fract_as_ordered(NULL, 'pos');
SELECT crsql_fract_as_ordered('todo', 'pos', NULL);

.print '-- tables and columns'
SELECT crsql_fract_as_ordered('nothing', 'pos');
SELECT crsql_fract_as_ordered('taken_fractindex', 'pos');
SELECT crsql_fract_as_ordered('scratch', 'pos');
SELECT crsql_fract_as_ordered('crsql_master', 'value');
SELECT crsql_fract_as_ordered('todo', 'position');
SELECT crsql_fract_as_ordered('todo', 'pos', 'lst');
SELECT crsql_fract_as_ordered('todo', 'pos', 'list', 'LIST');
SELECT crsql_fract_as_ordered('todo', 'pos', 'pos');
SELECT crsql_fract_as_ordered('todo', 'made');
SELECT crsql_fract_as_ordered('todo', 'pos', 'made');
SELECT crsql_fract_as_ordered('todo', 'id');
SELECT crsql_fract_as_ordered('no_key', 'pos');
SELECT crsql_fract_as_ordered('clash', 'pos');
SELECT crsql_fract_as_ordered('taken', 'pos');
SELECT crsql_fract_as_ordered('taken2', 'pos');
SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name NOT LIKE 'crsql_0_%';

.print '-- it is no function for triggers and views'
CREATE VIEW sneaky AS SELECT crsql_fract_as_ordered('todo', 'pos');
SELECT * FROM sneaky;

.print '-- a row without a key can not be placed'
CREATE TABLE loose (id TEXT PRIMARY KEY, pos);
SELECT crsql_fract_as_ordered('loose', 'pos');
INSERT INTO loose VALUES (NULL, 1);
INSERT INTO loose VALUES (NULL, 'a ');
UPDATE loose SET pos = 1;
UPDATE loose_fractindex SET pos = 'a!';
UPDATE loose_fractindex SET after_id = 'x';

.print '-- a text that looks like a position and is none stops what would be placed beside it'
INSERT INTO loose VALUES ('b', 'b');
INSERT INTO loose VALUES ('c', 1);
UPDATE loose SET pos = NULL WHERE id = 'b';
INSERT INTO loose VALUES ('c', 1);
SELECT id, quote(pos) FROM loose WHERE id = 'c';

.print '-- what triggers of existing views call'
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');
INSERT INTO todo VALUES (1, 5, 'a '), (2, 5, 'a!'), (3, 5, 'a!'), (4, 5, NULL), (5, 5, 7);
SELECT quote(crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1, 'id', 2));
SELECT quote(crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1, 'id', 99));
SELECT id, quote(pos) FROM todo ORDER BY pos, id;
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1, 'id', 4);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1, 'id', 5);
SELECT crsql_fract_fix_conflict_return_old_key();
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', -1, 'id');
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', 'list', 1, 'id', 2);
SELECT crsql_fract_fix_conflict_return_old_key('todo', -1, 'id', 2);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', -1, 1, 2);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', -1, 'list', 2);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'pos', -1, 'id', 'id', 2, 2);
SELECT crsql_fract_fix_conflict_return_old_key('todo', 'place', -1, 'id', 2);
SELECT crsql_fract_fix_conflict_return_old_key('taken', 'pos', -1, 'id', 2);
SELECT crsql_fract_fix_conflict_return_old_key('nothing', 'pos', -1, 'id', 2);
