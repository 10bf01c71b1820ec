-- Whether the table holds no row but this one.
SELECT NOT EXISTS (SELECT 1 FROM main.{table} AS t WHERE NOT ({key_matches}))
