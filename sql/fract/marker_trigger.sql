-- Never runs: it says what the table is ordered by, the order column first. SQLite keeps the names right
-- when columns are renamed, and lets them go.
CREATE TRIGGER main.{trigger} AFTER UPDATE OF {columns} ON {table} WHEN 0
BEGIN SELECT 1; END
