ALTER TABLE main.{table} DROP COLUMN {column}
