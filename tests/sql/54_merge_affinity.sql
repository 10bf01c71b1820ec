-- Incoming values and keys are brought to the affinity of their column before anything is compared.
.load ./crsql
.read include/shown.sql
CREATE TABLE m (id INTEGER PRIMARY KEY NOT NULL, r REAL, t TEXT, i INTEGER);
CREATE TABLE k (id TEXT PRIMARY KEY NOT NULL, v);
CREATE TABLE u (id PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('m'), crsql_as_crr('k'), crsql_as_crr('u');

.print '-- an integer for a REAL column, three times: applied once'
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(1), 'r', 5, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(1), 'r', 5, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(1), 'r', 5, 1, 1, x'53', 1, 0);
SELECT r, typeof(r), crsql_db_version() FROM m;
.print '-- a tie between 5 and 5.0 in an INTEGER column is none'
INSERT INTO m (id, t, i) VALUES (2, '7', 5);
BEGIN;
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(2), 'i', 5.0, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(2), 't', 7, 1, 1, x'53', 1, 0);
SELECT crsql_rows_impacted();
COMMIT;

.print '-- the text 7 and the integer 7 are one INTEGER key'
INSERT INTO m (id, t) VALUES (7, 'seven');
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns('7'), 't', 'sieben', 2, 1, x'53', 1, 0);
SELECT id, t FROM m WHERE id = 7;
SELECT DISTINCT hex(pk) FROM crsql_changes WHERE "table" = 'm' AND val = 'sieben';
INSERT INTO crsql_changes VALUES ('m', crsql_pack_columns(7.0), '-1', NULL, 2, 1, x'53', 2, 0);
SELECT count(*) FROM m WHERE id = 7;
.print '-- the integer 7 and the text 7 are one TEXT key'
INSERT INTO k VALUES ('7', 'seven');
INSERT INTO crsql_changes VALUES ('k', crsql_pack_columns(7), 'v', 'sieben', 2, 1, x'53', 1, 0);
SELECT quote(id), v FROM k;
.print '-- without affinity the text 7 is another key than 7; 7.0 is not'
INSERT INTO u VALUES (7, 'integer'), ('7', 'text');
INSERT INTO crsql_changes VALUES ('u', crsql_pack_columns(7.0), 'v', 'real', 2, 1, x'53', 1, 0);
SELECT quote(id), v FROM u;
INSERT INTO u VALUES (-0.0, 'zero');
SELECT pk, hex(crsql_pack_columns(0)) = (SELECT hex(pk) FROM crsql_changes WHERE val = 'zero') FROM shown WHERE val = '''zero''';
