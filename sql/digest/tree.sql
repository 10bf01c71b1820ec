SELECT columns, is_exact, live_level, live_rows, live, dead_level, dead_rows, dead FROM main.crsql_digest_trees
WHERE tbl = ?1
