DROP VIEW IF EXISTS main.{view}
