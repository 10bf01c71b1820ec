CREATE TEMP TABLE crsql_upgrade_stamps (site INTEGER, version INTEGER, stamp INTEGER, PRIMARY KEY (site, version))
WITHOUT ROWID
