INSERT OR REPLACE INTO main.crsql_digest_trees
  (tbl, columns, is_exact, live_level, live_rows, live, dead_level, dead_rows, dead)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
