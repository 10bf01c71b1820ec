CREATE TEMP TABLE crsql_upgrade_versions (site INTEGER, version INTEGER, PRIMARY KEY (site, version)) WITHOUT ROWID
