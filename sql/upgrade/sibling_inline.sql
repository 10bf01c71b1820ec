SELECT 1 FROM main.{clock} AS k WHERE {is_key}
