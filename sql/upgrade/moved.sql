SELECT version, seq, stride, site, tbl, key, record, part FROM temp.crsql_upgrade_moved ORDER BY rowid
