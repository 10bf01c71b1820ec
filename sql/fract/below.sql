-- The highest position of the list below another.
SELECT n.{order} FROM {table} AS n
WHERE {in_list} n.{order} < {bound} COLLATE BINARY AND n.{order} > {lowest} COLLATE BINARY
ORDER BY n.{order} COLLATE BINARY DESC LIMIT 1
