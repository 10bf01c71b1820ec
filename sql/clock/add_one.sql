-- A record that is there is left alone.
INSERT INTO main.{rows} (key, cl, clock) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING
