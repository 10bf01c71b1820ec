UPDATE OR ABORT main.{table} AS t SET {column} = {value} WHERE {key_matches}
