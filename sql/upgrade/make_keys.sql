-- Keys that were brought into another form.
CREATE TEMP TABLE crsql_upgrade_keys (tbl INTEGER, key, PRIMARY KEY (tbl, key)) WITHOUT ROWID
