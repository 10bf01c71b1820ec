-- Entries of the log, in the order of their rows. `record` and `part` say where the clock record tells the
-- position: -1 is its sentinel, others count its groups.
CREATE TEMP TABLE crsql_upgrade_entries (
  version INTEGER, seq INTEGER, stride INTEGER, site INTEGER, tbl INTEGER, key, record INTEGER, part INTEGER)
