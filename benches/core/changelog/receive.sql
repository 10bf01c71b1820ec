-- The entries of a JSON array that are newer than what this replica has.
INSERT INTO incoming
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value
FROM json_each(?1)
WHERE NOT EXISTS (
  SELECT 1 FROM changelog AS c
  WHERE c.tbl = 't' AND c.key = value ->> 0 AND c.cell = value ->> 1 AND c.updated_at >= value ->> 3
);
