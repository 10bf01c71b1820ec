SELECT key, cl, clock FROM main.{rows}
