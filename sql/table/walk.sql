SELECT {rowid}, {columns} FROM main.{table} AS t WHERE {rowid} >= ?1 ORDER BY {rowid}
