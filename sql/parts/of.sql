SELECT rowid, first_seq, last_seq, is_last FROM main.crsql_parts
WHERE site = ?1 AND db_version = ?2 ORDER BY first_seq, last_seq
