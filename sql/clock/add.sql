INSERT OR FAIL INTO main.{rows} (key, cl, clock) VALUES {values}
