-- Entries whose place is taken, until the end of their version is known.
CREATE TEMP TABLE crsql_upgrade_moved (
  version INTEGER, seq INTEGER, stride INTEGER, site INTEGER, tbl INTEGER, key, record INTEGER, part INTEGER)
