SELECT EXISTS (SELECT 1 FROM main.{table} AS t WHERE NOT ({key_matches}))
