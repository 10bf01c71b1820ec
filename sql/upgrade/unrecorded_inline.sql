-- Rows without clocks.
SELECT {keys} FROM main.{table} AS b WHERE NOT EXISTS (SELECT 1 FROM main.{clock} AS k WHERE {is_key})
ORDER BY {keys}
