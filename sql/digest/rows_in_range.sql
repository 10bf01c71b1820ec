SELECT {columns} FROM main.{table} AS t WHERE {range} ORDER BY {order}
