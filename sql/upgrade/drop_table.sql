DROP TABLE IF EXISTS main.{table}
