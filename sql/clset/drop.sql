DROP TABLE main.{table}
