SELECT {key_columns} FROM main.{table} AS t ORDER BY {key_columns}
