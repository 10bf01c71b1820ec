-- The clocks of a table, row after row. The row itself is looked for once: the order of the joins is fixed.
SELECT p.__crsql_key, b.{first_key} IS NOT NULL, c.col_name, c.col_version, {version}, coalesce(c.site_id, 0), c.seq,
  {keys}
FROM main.{pks} AS p LEFT JOIN main.{table} AS b ON {is_row}
CROSS JOIN main.{clock} AS c ON c.key = p.__crsql_key{stamps}
ORDER BY p.__crsql_key
