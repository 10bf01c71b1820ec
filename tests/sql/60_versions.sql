-- db_version is the clock of the database: every writing transaction has one, above all it has seen.
.load ./crsql
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, v);
SELECT crsql_as_crr('t');

.print '-- versions above the own one are kept'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010901', 'v', 'a', 1, 1, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010902', 'v', 'b', 1, 2, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010903', 'v', 'c', 1, 3, x'53', 1, 0);
COMMIT;
SELECT val, db_version, seq FROM crsql_changes;

.print '-- older ones get a new number, one for the transaction'
INSERT INTO t VALUES (4, 'd');
INSERT INTO t VALUES (5, 'e');
INSERT INTO t VALUES (6, 'f');
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'010907', 'v', 'g', 1, 2, x'53', 1, 0);
INSERT INTO crsql_changes VALUES ('t', x'010908', 'v', 'h', 1, 3, x'53', 1, 0);
COMMIT;
INSERT INTO crsql_changes VALUES ('t', x'010909', 'v', 'i', 1, 2, x'53', 1, 3);
INSERT INTO crsql_changes VALUES ('t', x'01090a', 'v', 'j', 1, 3, x'53', 1, 2);
SELECT val, db_version, seq FROM crsql_changes WHERE db_version > 6;

.print '-- never down inside a transaction'
BEGIN;
INSERT INTO crsql_changes VALUES ('t', x'01090b', 'v', 'k', 1, 90, x'53', 1, 7);
INSERT INTO crsql_changes VALUES ('t', x'01090c', 'v', 'l', 1, 30, x'53', 1, 2);
INSERT INTO t VALUES (13, 'm');
COMMIT;
SELECT val, db_version FROM crsql_changes WHERE db_version > 9;
SELECT count(*) = count(DISTINCT db_version || '-' || seq) FROM crsql_changes;

.print '-- what was ignored does not move the clock'
INSERT INTO crsql_changes VALUES ('t', x'01090b', 'v', 'k', 1, 500, x'53', 1, 7);
SELECT crsql_db_version();
