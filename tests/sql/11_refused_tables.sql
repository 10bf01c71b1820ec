-- Tables that cannot be replicated, and what to do about it. Nothing is left behind.
.load ./crsql

.print '-- no key, or a key that may be NULL'
CREATE TABLE no_key (a, b);
SELECT crsql_as_crr('no_key');
CREATE TABLE nullable_key (a TEXT PRIMARY KEY, b);
SELECT crsql_as_crr('nullable_key');
CREATE TABLE half_nullable (a NOT NULL, b, c, PRIMARY KEY (a, b));
SELECT crsql_as_crr('half_nullable');

.print '-- keys that two replicas would hand out twice, or compare differently'
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, b);
SELECT crsql_as_crr('counted');
CREATE TABLE folded (a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, b);
SELECT crsql_as_crr('folded');
CREATE TABLE trimmed (a TEXT NOT NULL, b, PRIMARY KEY (a COLLATE RTRIM));
SELECT crsql_as_crr('trimmed');

.print '-- constraints that a merge, cell by cell, cannot keep'
CREATE TABLE unique_column (a PRIMARY KEY NOT NULL, b UNIQUE);
SELECT crsql_as_crr('unique_column');
CREATE TABLE unique_index (a PRIMARY KEY NOT NULL, b);
CREATE UNIQUE INDEX open_b ON unique_index (b) WHERE b > 0;
SELECT crsql_as_crr('unique_index');
CREATE TABLE child (a PRIMARY KEY NOT NULL, b REFERENCES unique_index (a));
SELECT crsql_as_crr('child');
CREATE TABLE no_default (a PRIMARY KEY NOT NULL, b NOT NULL);
SELECT crsql_as_crr('no_default');

.print '-- names that mean something else'
CREATE TABLE sentinel (a PRIMARY KEY NOT NULL, "-1");
SELECT crsql_as_crr('sentinel');
CREATE TABLE x__crsql_clock (a PRIMARY KEY NOT NULL, b);
SELECT crsql_as_crr('x__crsql_clock');
CREATE TABLE x__crsql_pks (a PRIMARY KEY NOT NULL, b);
SELECT crsql_as_crr('x__crsql_pks');
SELECT crsql_as_crr('crsql_site_id');

.print '-- not an ordinary table of this database'
SELECT crsql_as_crr('missing');
CREATE VIEW seen AS SELECT * FROM unique_index;
SELECT crsql_as_crr('seen');
CREATE VIRTUAL TABLE words USING fts5 (word);
SELECT crsql_as_crr('words');
CREATE TEMP TABLE temporary (a PRIMARY KEY NOT NULL, b);
SELECT crsql_as_crr('temporary');
SELECT crsql_as_crr('sqlite_master');
ATTACH ':memory:' AS other;
CREATE TABLE other.elsewhere (a PRIMARY KEY NOT NULL, b);
SELECT crsql_as_crr('elsewhere');
SELECT crsql_as_crr('other', 'elsewhere');
SELECT crsql_as_crr('nowhere', 'no_key');

.print '-- wrong calls'
SELECT crsql_as_crr();
SELECT crsql_as_crr(NULL);
SELECT crsql_as_crr('main', NULL);
SELECT crsql_as_crr(5);
SELECT crsql_as_crr('main', 'no_key', 'more');

.print '-- the failure undoes its own work only: the transaction goes on'
BEGIN;
INSERT INTO no_key VALUES (1, 'before');
SELECT crsql_as_crr('no_key');
INSERT INTO no_key VALUES (2, 'after');
COMMIT;
SELECT * FROM no_key;

.print '-- nothing was left behind: no trigger, no version, no change'
SELECT count(*) FROM sqlite_master WHERE type = 'trigger';
SELECT crsql_db_version(), (SELECT count(*) FROM crsql_changes);
