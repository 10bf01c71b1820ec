-- What an INSERT records: one change per column that is not part of the key.
.load ./crsql
.read include/shown.sql
CREATE TABLE n (k INTEGER PRIMARY KEY NOT NULL, x, y DEFAULT 'd', g AS (x || y));
SELECT crsql_as_crr('n');

.print '-- every column, also those the statement did not name; never a generated one'
INSERT INTO n (k, x) VALUES (1, 'p');
SELECT * FROM shown;

.print '-- one statement, one version; seq runs over its rows'
INSERT INTO n (k, x) VALUES (2, 'a'), (3, 'b'), (4, 'c');
SELECT * FROM shown WHERE db_version = 2;

.print '-- the application sees what it sees with a plain table'
INSERT INTO n (k, x) VALUES (42, 'e') RETURNING k, x, y, g;
SELECT last_insert_rowid(), changes();
INSERT INTO n (x) VALUES ('f'), ('g');
SELECT last_insert_rowid(), changes();

.print '-- what does not insert records nothing and uses no version'
SELECT crsql_db_version();
INSERT OR IGNORE INTO n (k, x) VALUES (1, 'other');
INSERT INTO n (k, x) VALUES (1, 'other') ON CONFLICT DO NOTHING;
INSERT INTO n (k, x) VALUES (1, 'other');
INSERT INTO n (k, x) SELECT 99, 'none' WHERE 0;
SELECT crsql_db_version();

.print '-- UPSERT records the columns that it changes'
INSERT INTO n (k, x) VALUES (1, 'q') ON CONFLICT (k) DO UPDATE SET x = excluded.x;
SELECT * FROM shown WHERE pk = '1';

.print '-- a table of keys alone records that the row is there'
CREATE TABLE pairs (a NOT NULL, b NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
SELECT crsql_as_crr('pairs');
INSERT INTO pairs VALUES (1, 'one');
SELECT * FROM shown WHERE "table" = 'pairs';

.print '-- values keep their storage class, in a STRICT table too'
CREATE TABLE types (id INTEGER PRIMARY KEY, a ANY, b ANY, c ANY, d ANY, e ANY, f ANY) STRICT;
SELECT crsql_as_crr('types');
INSERT INTO types VALUES (1, 1, 1.0, '1', x'31', NULL, -9223372036854775807 - 1);
SELECT cid, quote(val), typeof(val) FROM crsql_changes WHERE "table" = 'types';
