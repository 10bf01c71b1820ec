DROP {kind} IF EXISTS main.{name}
