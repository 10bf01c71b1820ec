-- Files that this release cannot serve are refused, when the extension is loaded or when something is asked of it,
-- and stay as they were.
.print '-- a site id of the wrong size'
.open copy.db
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY, v);
SELECT crsql_as_crr('t');
UPDATE crsql_site_id SET site_id = x'0102' WHERE ordinal = 0;
.open copy.db
.load ./crsql
SELECT crsql_db_version();
SELECT count(*) FROM t;

.print '-- the layout of a later release'
.open later.db
.load ./crsql
UPDATE crsql_master SET value = 99 WHERE key = 'crsql_format';
.open later.db
.load ./crsql

.print '-- a database that cr-sqlite keeps: it loads, and everything says what to do; see 04_taking_over.sql'
.open foreign.db
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
CREATE TABLE t__crsql_clock (key INTEGER, col_name TEXT, col_version INTEGER, db_version INTEGER,
    site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER, PRIMARY KEY (key, col_name)) WITHOUT ROWID, STRICT;
.load ./crsql
SELECT count(*) FROM sqlite_master WHERE name LIKE 'crsql%';
SELECT crsql_site_id();

.print '-- a database of the development version of the fork'
.open packed.db
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
CREATE TABLE t__crsql_v2_clock (cell_key, col_version, site_id, db_version, seq, ts);
.load ./crsql
SELECT crsql_db_version();
SELECT crsql_upgrade();
