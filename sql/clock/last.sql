SELECT max(key) FROM main.{rows}
