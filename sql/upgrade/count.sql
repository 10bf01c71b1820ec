SELECT count(*) FROM main.{table}
