-- All changes after the entry ?1 as a JSON array: [key, cell, op, updated_at, values ...], with the whole row for an 'I', one value
-- for a 'U', none for a 'D'. {values} are the columns beside the key, {value_of_cell} picks the one that c.cell names, {is_row} joins by key.
SELECT json_group_array(
  CASE op
    WHEN 'I' THEN json_array(c.key, c.cell, c.op, c.updated_at, {values})
    WHEN 'U' THEN json_array(c.key, c.cell, c.op, c.updated_at, {value_of_cell})
    ELSE json_array(c.key, c.cell, c.op, c.updated_at)
  END
  ORDER BY c.id
)
FROM changelog AS c LEFT JOIN t ON {is_row}
WHERE c.id > ?1 AND c.tbl = 't';
