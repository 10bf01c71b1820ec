-- A row's position, and the next one below in its list.
SELECT a.{order}, ({below}) FROM {table} AS a WHERE {is_row}
