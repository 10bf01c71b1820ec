UPDATE OR ABORT main.{table} AS t SET {assignments} WHERE {key_matches}
