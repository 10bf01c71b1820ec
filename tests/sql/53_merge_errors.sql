-- What is no change of this database is refused: the statement fails and nothing of it is done.
.load ./crsql
.read include/shown.sql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v, g AS (v || '!'));
CREATE TABLE two (a TEXT NOT NULL, b INTEGER NOT NULL, v, PRIMARY KEY (a, b));
CREATE TABLE plain (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t'), crsql_as_crr('two');

.print '-- unknown table or column, where they are not to wait; a key or a generated column'
SELECT crsql_config_set('unknown-changes', 'reject');
INSERT INTO crsql_changes VALUES ('nope', x'010901', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('plain', x'010901', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'nope', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'id', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'g', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES (NULL, x'010901', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', NULL, 1, 1, 1, x'53', 1, 0);

.print '-- keys: no packed values, or not those of this table'
INSERT INTO crsql_changes VALUES ('t', NULL, 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', 'text', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'00', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'0109', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'0107', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'0149000000000000000001', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901ff', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'0209010902', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('two', x'010b0161', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('two', crsql_pack_columns('a', 1, 2), 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('two', x'020b01ff0901', 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('two', crsql_pack_columns('a', NULL), 'v', 1, 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', crsql_pack_columns('word'), 'v', 1, 1, 1, x'53', 1, 0);

.print '-- numbers out of range'
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, -1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 9007199254740993, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, -1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 9223372036854775807, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', 0, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', -1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', NULL, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', 9007199254740993, 0);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', 1, -1);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, x'53', 1, 9007199254740993);
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, 1, 1, zeroblob(17), 1, 0);

.print '-- nothing was done'
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM two), (SELECT count(*) FROM crsql_changes), crsql_db_version();

.print '-- numbers may come as text'
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 1, '1', '1', x'53', '1', '0');
SELECT * FROM shown;

.print '-- a version beyond 2^52 is merged, but does not move the clock of this database so far'
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 2, 2, 9007199254740992, x'53', 1, 0);
SELECT v, crsql_db_version() FROM t;
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 3, 3, 4503599627370496, x'53', 1, 0);
SELECT v, crsql_db_version() FROM t;
UPDATE t SET v = 4;
SELECT v, crsql_db_version() FROM t;
