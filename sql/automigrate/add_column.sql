ALTER TABLE main.{table} ADD COLUMN {definition}
