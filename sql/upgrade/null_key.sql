SELECT 1 FROM main.{table} WHERE {is_null} LIMIT 1
