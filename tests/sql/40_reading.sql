-- Reading crsql_changes.
.load ./crsql
.read include/shown.sql
CREATE TABLE a (k INTEGER PRIMARY KEY, x, y);
CREATE TABLE b (k TEXT PRIMARY KEY NOT NULL, z);
SELECT crsql_as_crr('a'), crsql_as_crr('b');
BEGIN;
INSERT INTO a VALUES (1, 'p', 10), (2, 'q', 20);
INSERT INTO b VALUES ('one', 1.5);
COMMIT;
INSERT INTO a VALUES (3, NULL, x'00');
UPDATE a SET y = 11 WHERE k = 1;
DELETE FROM a WHERE k = 2;
INSERT INTO crsql_changes VALUES ('b', crsql_pack_columns('two'), 'z', 'merged', 3, 9, x'53', 1, 4);

.print '-- the columns'
SELECT group_concat(name) FROM pragma_table_info('crsql_changes');

.print '-- in the order of db_version and seq, over all tables'
SELECT * FROM shown;

.print '-- what is new since a version'
SELECT "table", cid, val FROM crsql_changes WHERE db_version > 3;
SELECT count(*) FROM crsql_changes WHERE db_version > crsql_db_version();
.print '-- what is new and not from that peer'
SELECT "table", cid, val FROM crsql_changes WHERE db_version > 2 AND site_id IS NOT x'53';
.print '-- one version of one site'
SELECT cid, val FROM crsql_changes WHERE site_id = crsql_site_id() AND db_version = 1 AND seq BETWEEN 0 AND 4 ORDER BY seq;
.print '-- one row'
SELECT cid, val FROM crsql_changes WHERE "table" = 'a' AND pk = crsql_pack_columns(1);

.print '-- any order'
SELECT db_version, seq FROM crsql_changes ORDER BY db_version DESC, seq ASC;
SELECT cid, quote(val) FROM crsql_changes ORDER BY cid, val LIMIT 3;
SELECT "table", hex(pk), cid FROM crsql_changes ORDER BY "table" DESC, pk, cid LIMIT 3;
SELECT count(*) FROM (SELECT rowid FROM crsql_changes ORDER BY rowid);
SELECT db_version, max(seq) FROM crsql_changes GROUP BY db_version ORDER BY db_version DESC, seq ASC;

.print '-- any filter gives what it gives on a copy'
CREATE TEMP TABLE copy ("table" TEXT, pk BLOB, cid TEXT, val, col_version INT, db_version INT, site_id BLOB, cl INT, seq INT);
INSERT INTO copy SELECT * FROM crsql_changes;
.output filters.sql
WITH filters (f) AS (VALUES
    ('db_version >= 2'), ('db_version < 3'), ('db_version <= 1'), ('db_version IN (1, 4, 77)'), ('db_version != 1'),
    ('db_version = ''3'''), ('db_version = 3.0'), ('db_version > 2.5'), ('db_version IS NULL'), ('db_version > NULL'),
    ('db_version BETWEEN 2 AND 4'), ('db_version IS NOT 1'), ('db_version > -1'), ('db_version < 9223372036854775807'),
    ('site_id = x''53'''), ('site_id IS NOT x''53'''), ('site_id = ''S'''), ('site_id = zeroblob(16)'), ('site_id IS NULL'),
    ('cl = 2'), ('cl > 1'), ('col_version = 2'), ('col_version > 1 AND cl = 1'), ('seq = 0'), ('seq IN (0, 2)'),
    ('cid LIKE ''X%'''), ('cid GLOB ''[xz]'''), ('cid = ''-1'''), ('cid = ''X'''), ('val = ''p'''), ('val = 10'), ('val IS NULL'),
    ('"table" = ''a'''), ('"table" = ''A'''), ('"table" IN (''a'', ''nope'')'), ('"table" = ''nope'''), ('"table" != ''a'''),
    ('"table" = ''a'' AND pk = x''010901'''), ('"table" = ''a'' AND pk = x''00'''), ('pk = x''010902'''), ('pk = ''text'''),
    ('"table" = ''b'' OR cid = ''y'''), ('db_version = 1 OR seq = 4')
)
SELECT 'SELECT ''' || replace(f, '''', '''''') || ''' WHERE EXISTS (
    SELECT * FROM (SELECT * FROM crsql_changes WHERE ' || f || ' EXCEPT SELECT * FROM copy WHERE ' || f || ')
    UNION ALL
    SELECT * FROM (SELECT * FROM copy WHERE ' || f || ' EXCEPT SELECT * FROM crsql_changes WHERE ' || f || '));'
FROM filters;
.output
.read filters.sql

.print '-- joined with itself, in a view, in a subquery'
SELECT count(*) FROM crsql_changes AS l JOIN crsql_changes AS r ON l.pk = r.pk AND l."table" = r."table" AND l.cid < r.cid;
SELECT count(*) FROM crsql_changes WHERE db_version = (SELECT max(db_version) FROM crsql_changes);
CREATE VIEW latest AS SELECT val FROM crsql_changes WHERE db_version = crsql_db_version();
SELECT * FROM latest;

.print '-- copied by CREATE TABLE AS, values stay what they are'
BEGIN;
INSERT INTO b VALUES ('zeros', '007');
CREATE TEMP TABLE made AS SELECT * FROM crsql_changes;
SELECT quote(val) FROM made WHERE pk = crsql_pack_columns('zeros');
SELECT count(*) FROM crsql_changes WHERE val = 7;
ROLLBACK;

.print '-- own changes inserted again change nothing'
BEGIN;
INSERT INTO crsql_changes SELECT * FROM crsql_changes;
SELECT crsql_rows_impacted(), crsql_db_version() = crsql_next_db_version() - 1;
COMMIT;
SELECT count(*) FROM (SELECT * FROM crsql_changes EXCEPT SELECT * FROM copy);

.print '-- it cannot be updated, deleted from, or given a trigger'
UPDATE crsql_changes SET val = 1 WHERE cid = 'x';
DELETE FROM crsql_changes WHERE cid = 'x';
DELETE FROM crsql_changes WHERE 0;
CREATE TRIGGER t AFTER INSERT ON crsql_changes BEGIN SELECT 1; END;
SELECT * FROM crsql_changes('x');
