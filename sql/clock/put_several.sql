INSERT OR {on_conflict} INTO main.{rows} (key, cl, clock) VALUES {values}
