-- The changelog that applications write by hand: the last change of each row and of each changed cell, for all tables.
-- `key` is the primary key, as a JSON array if it has several columns; `cell` the column, empty for the row as a whole; `op` is 'I'
-- (there), 'D' (deleted: the tombstone) or 'U' (one cell); `updated_at` is in ms and decides between replicas. `id` is what a
-- peer has seen up to. Values are not copied: a change that is shipped carries what the table holds then.
CREATE TABLE changelog(
  id INTEGER PRIMARY KEY,
  tbl TEXT NOT NULL,
  key NOT NULL,
  cell TEXT NOT NULL,
  op TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (tbl, key, cell)
);

-- Holds a row while changes of another replica are applied: the triggers then keep still.
CREATE TABLE applying(is_on INTEGER PRIMARY KEY);
