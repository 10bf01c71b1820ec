-- Positions on replicas: two insert after the same row while they are apart, meet, and have the same order.
.load ./crsql
.read include/shown.sql
CREATE TABLE todo (id TEXT PRIMARY KEY NOT NULL, list TEXT, pos TEXT);
SELECT crsql_as_crr('todo');
SELECT crsql_fract_as_ordered('todo', 'pos', 'list');

.print '-- what the triggers write is recorded'
INSERT INTO todo VALUES ('first', 'l', 1), ('last', 'l', 1);
SELECT * FROM shown WHERE cid = 'pos';

.print '-- here a row is put after the first; there another one, at the same position'
INSERT INTO todo_fractindex (id, list, after_id) VALUES ('here', 'l', 'first');
SELECT val FROM crsql_changes WHERE pk = crsql_pack_columns('here') AND cid = 'pos';
INSERT INTO crsql_changes VALUES
  ('todo', crsql_pack_columns('there'), 'list', 'l', 1, 2, x'53', 1, 0),
  ('todo', crsql_pack_columns('there'), 'pos', 'a P', 1, 2, x'53', 1, 1);
SELECT id, quote(pos) FROM todo ORDER BY pos, id;

.print '-- the next row after the first of the two goes between them, and the one above makes room'
INSERT INTO todo_fractindex (id, list, after_id) VALUES ('between', 'l', 'here');
SELECT id, quote(pos) FROM todo ORDER BY pos, id;

.print '-- a literal that a peer without the ordering wrote stays as it is until it is written here'
INSERT INTO crsql_changes VALUES
  ('todo', crsql_pack_columns('literal'), 'list', 'l', 1, 3, x'53', 1, 0),
  ('todo', crsql_pack_columns('literal'), 'pos', '1', 1, 3, x'53', 1, 1);
SELECT id, quote(pos) FROM todo WHERE id = 'literal';
INSERT INTO todo VALUES ('end', 'l', 1);
UPDATE todo SET pos = pos WHERE id = 'literal';
SELECT id, quote(pos) FROM todo ORDER BY pos, id;
