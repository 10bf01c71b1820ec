-- Rows without clocks. The plus takes the affinity away, which would keep the index of the keys from use.
SELECT {keys} FROM main.{table} AS b WHERE NOT EXISTS (
  SELECT 1 FROM main.{pks} AS k CROSS JOIN main.{clock} AS c ON c.key = k.__crsql_key WHERE {is_key})
ORDER BY {keys}
