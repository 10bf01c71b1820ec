INSERT INTO main.crsql_parts (site, db_version, first_seq, last_seq, is_last, since, data)
VALUES (?1, ?2, ?3, ?4, ?5, unixepoch(), ?6)
ON CONFLICT DO UPDATE SET data = excluded.data, is_last = max(is_last, excluded.is_last)
