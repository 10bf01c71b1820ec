-- The lowest position of the list above another.
SELECT n.{order} FROM {table} AS n
WHERE {in_list} {but} n.{order} > {bound} COLLATE BINARY AND n.{order} < {highest} COLLATE BINARY
ORDER BY n.{order} COLLATE BINARY LIMIT 1
