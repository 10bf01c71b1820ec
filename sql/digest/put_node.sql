INSERT OR REPLACE INTO main.crsql_digest_nodes (tbl, part, level, last, rank, rows, digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
