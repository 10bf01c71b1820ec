-- What `incoming` holds, as the newest state of its rows and cells.
INSERT INTO applying VALUES (1);

INSERT INTO t({key_columns}, {columns})
SELECT {key_of_incoming}, {values_of_incoming} FROM incoming WHERE op = 'I'
ON CONFLICT ({key_columns}) DO UPDATE SET {take_all};

{cell_updates}

DELETE FROM t WHERE ({key_columns}) IN (SELECT {key_of_incoming} FROM incoming WHERE op = 'D');

INSERT INTO changelog(tbl, key, cell, op, updated_at)
SELECT 't', key, cell, op, updated_at FROM incoming WHERE true
ON CONFLICT (tbl, key, cell) DO UPDATE
SET id = (SELECT max(id) + 1 FROM changelog), op = excluded.op, updated_at = excluded.updated_at;

DELETE FROM applying;

DELETE FROM incoming;
