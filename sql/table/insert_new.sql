-- A row whose key is there already is left alone; any other conflict is an error.
INSERT OR ABORT INTO main.{table} ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO NOTHING
