INSERT INTO main.crsql_log (db_version, seq, site, tbl, key, keys, stride) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
