SELECT version, seq, stride, site, tbl, key, record, part FROM temp.crsql_upgrade_entries
ORDER BY version, seq, part, rowid
