SELECT 1 FROM main.{table} AS t WHERE {key_matches}
