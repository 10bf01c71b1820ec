SELECT {rowid}, {columns} FROM main.{table} AS t WHERE {key_matches}
