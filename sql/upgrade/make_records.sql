CREATE TEMP TABLE crsql_upgrade_records (id INTEGER PRIMARY KEY, key, cl INTEGER, clock BLOB)
