-- Never runs. SQLite writes the new name of a renamed column into this list, and lets a listed column go.
CREATE TRIGGER main.{trigger} AFTER UPDATE OF {columns} ON {table} WHEN 0
BEGIN SELECT 1; END
