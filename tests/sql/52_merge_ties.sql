-- Equal column versions: the larger value wins, on every replica the same.
-- First by storage class, NULL < BLOB < TEXT < REAL < INTEGER, then by value; text and blobs byte by byte.
.load ./crsql
.read include/shown.sql
CREATE TABLE tie (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('tie');
CREATE TEMP TABLE pair (id INTEGER PRIMARY KEY, a, b);
INSERT INTO pair (a, b) VALUES
    ('zzz', 1), (1e300, -5), (x'ff', ''), (NULL, x''), (5, 5.0), ('9', 4.0),
    (x'01', x'0100'), ('Z', 'a'), ('abc', 'abcd'), (2, 10), (-1, 1), (7, 7), ('é', 'z');

.print '-- whichever was here first: the two values, and the winner both ways'
INSERT INTO tie SELECT id, a FROM pair;
INSERT INTO tie SELECT id + 100, b FROM pair;
INSERT INTO crsql_changes SELECT 'tie', crsql_pack_columns(id), 'v', b, 1, 1, x'53', 1, 0 FROM pair;
INSERT INTO crsql_changes SELECT 'tie', crsql_pack_columns(id + 100), 'v', a, 1, 1, x'53', 1, 0 FROM pair;
SELECT quote(a), quote(b), quote(l.v), quote(r.v) FROM pair JOIN tie AS l USING (id) JOIN tie AS r ON r.id = pair.id + 100;

.print '-- the collation of a column does not count'
CREATE TABLE folded (id INTEGER PRIMARY KEY NOT NULL, v TEXT COLLATE NOCASE);
SELECT crsql_as_crr('folded');
INSERT INTO folded VALUES (1, 'Z'), (2, 'b');
INSERT INTO crsql_changes VALUES ('folded', crsql_pack_columns(1), 'v', 'a', 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('folded', crsql_pack_columns(2), 'v', 'B', 1, 1, x'53', 1, 0);
SELECT * FROM folded;

.print '-- zero and minus zero are equal: what is here stays'
INSERT INTO tie VALUES (50, 0.0), (51, -0.0);
BEGIN;
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(50), 'v', -0.0, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(51), 'v', 0.0, 1, 1, x'53', 1, 0);
SELECT crsql_rows_impacted();
COMMIT;

.print '-- equal values: the author who is here stays'
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(60), 'v', 'same', 1, 1, x'50', 1, 0);
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(60), 'v', 'same', 1, 1, x'ff', 1, 0);
SELECT site FROM shown WHERE pk = '60';
.print '-- with merge-equal-values the larger site id wins'
SELECT crsql_config_set('merge-equal-values', 1);
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(60), 'v', 'same', 1, 1, x'40', 1, 0);
SELECT last_insert_rowid() <> 0, site FROM shown WHERE pk = '60';
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(60), 'v', 'same', 1, 1, x'ff', 1, 0);
SELECT last_insert_rowid() <> 0, site, db_version = crsql_db_version() FROM shown WHERE pk = '60';
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(60), 'v', 'same', 1, 1, x'ff', 1, 0);
SELECT last_insert_rowid() <> 0, site FROM shown WHERE pk = '60';
.print '-- also against the author of a row that was never touched since its insert'
INSERT INTO tie VALUES (61, 'mine');
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(61), 'v', 'mine', 1, 1, x'00', 1, 0);
SELECT site FROM shown WHERE pk = '61';
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(61), 'v', 'mine', 1, 1, x'ffffffffffffffffffffffffffffffff', 1, 0);
SELECT site FROM shown WHERE pk = '61';
INSERT INTO crsql_changes VALUES ('tie', crsql_pack_columns(61), 'v', 'mine', 1, 1, NULL, 1, 0);
SELECT site FROM shown WHERE pk = '61';
