-- The position of the row to come after; none if that row is in another list, or has none.
SELECT a.{order} FROM {table} AS a
WHERE {is_anchor} AND {in_list} a.{order} > {lowest} COLLATE BINARY AND a.{order} < {highest} COLLATE BINARY
