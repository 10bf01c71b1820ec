-- Another row of the list that is at the same position.
SELECT 1 FROM {table} AS o WHERE {in_list} {but} ({is_other}) AND o.{order} = ({anchor}) COLLATE BINARY
