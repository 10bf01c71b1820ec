-- Changes nothing where the row has a record already.
INSERT INTO main.{rows} (key, cl, clock) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING
