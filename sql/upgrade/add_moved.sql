INSERT INTO temp.crsql_upgrade_moved (version, seq, stride, site, tbl, key, record, part)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
