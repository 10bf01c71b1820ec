-- The clocks of a table whose keys are not numbered, row after row.
SELECT NULL, b.{first_key} IS NOT NULL, c.__crsql_col_name, c.__crsql_col_version, c.__crsql_db_version, {site}, {seq},
  {keys}
FROM main.{clock} AS c LEFT JOIN main.{table} AS b ON {is_row}{sites}
ORDER BY {keys}
