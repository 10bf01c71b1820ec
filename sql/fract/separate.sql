-- Two rows at one position, written apart on two replicas: the row to come after goes a little down, to make room.
UPDATE {table} SET {order} = crsql_fract_key_between(({below}), ({anchor}))
WHERE {row} AND EXISTS ({shared})
