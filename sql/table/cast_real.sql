-- SQLite's own conversions, so that a value reads the same here as after it is stored.
SELECT CAST(?1 AS REAL)
