-- Packed integers sort as unsigned numbers.
SELECT key, cl FROM main.{rows} WHERE cl % 2 = 0 ORDER BY key < 0, key
