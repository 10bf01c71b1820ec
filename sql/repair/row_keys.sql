SELECT {key_columns} FROM main.{table} AS t
