-- Gives no row. SQLite compiles it anew before it runs if the schema, or the temporary one, is not what it was compiled for.
SELECT 1 FROM main.sqlite_master WHERE 0
