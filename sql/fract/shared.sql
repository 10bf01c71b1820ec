-- Another row of the list that is at the same position.
SELECT 1 FROM {table} AS o WHERE {in_list} o.{order} = ({anchor}) COLLATE BINARY AND ({is_other})
