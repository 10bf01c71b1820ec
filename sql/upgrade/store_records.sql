-- In the order of the keys, as b-trees like best.
INSERT INTO main.{rows} (key, cl, clock)
SELECT key, cl, clock FROM temp.crsql_upgrade_records WHERE id >= ?1 AND id < ?2 ORDER BY key
