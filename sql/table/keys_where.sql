SELECT {key_columns} FROM main.{table} AS t WHERE {condition} ORDER BY {key_columns}
