-- Any name that SQLite takes for a table or column works, under the plain name in the changes.
.load ./crsql
.read include/shown.sql

.print '-- table names that need quotes: insert, update, delete, merge'
CREATE TABLE "my-table" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "select" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "a b" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "x""y" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "it's" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "café" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "1st" (id INTEGER PRIMARY KEY, v);
CREATE TABLE "a.b;c%s[d]`e" (id INTEGER PRIMARY KEY, v);
CREATE TABLE crsql_user (id INTEGER PRIMARY KEY, v);
SELECT group_concat(crsql_as_crr(value)) FROM json_each(
    '["my-table", "select", "a b", "x\"y", "it''s", "café", "1st", "a.b;c%s[d]`e", "crsql_user"]');
INSERT INTO "my-table" VALUES (1, 'one'), (2, 'two');
UPDATE "my-table" SET v = 'uno' WHERE id = 1;
DELETE FROM "my-table" WHERE id = 2;
INSERT INTO "select" VALUES (1, 'one'), (2, 'two');
UPDATE "select" SET v = 'uno' WHERE id = 1;
DELETE FROM "select" WHERE id = 2;
INSERT INTO "a b" VALUES (1, 'one');
UPDATE "a b" SET v = 'uno';
INSERT INTO "x""y" VALUES (1, 'one');
UPDATE "x""y" SET id = 3;
INSERT INTO "it's" VALUES (1, 'one');
INSERT INTO "café" VALUES (1, 'one');
INSERT INTO "1st" VALUES (1, 'one');
INSERT INTO "a.b;c%s[d]`e" VALUES (1, 'one');
INSERT INTO crsql_user VALUES (1, 'one');
SELECT "table", pk, cid, val, cl FROM shown;
INSERT INTO crsql_changes
SELECT DISTINCT "table", crsql_pack_columns(7), 'v', 'merged', 1, 1, x'aa', 1, 0 FROM crsql_changes;
SELECT (SELECT v FROM "my-table" WHERE id = 7), (SELECT v FROM "select" WHERE id = 7),
    (SELECT v FROM "a b" WHERE id = 7), (SELECT v FROM "x""y" WHERE id = 7),
    (SELECT v FROM "it's" WHERE id = 7), (SELECT v FROM "café" WHERE id = 7),
    (SELECT v FROM "1st" WHERE id = 7), (SELECT v FROM "a.b;c%s[d]`e" WHERE id = 7),
    (SELECT v FROM crsql_user WHERE id = 7);

.print '-- column names'
CREATE TABLE odd (
    "pk""1" NOT NULL, "__crsql_key" NOT NULL,
    "key", "col name", "we""ird", "desc", "db_version", "", "ünï", "new.x", "?1",
    PRIMARY KEY ("pk""1", "__crsql_key")
);
SELECT crsql_as_crr('odd');
INSERT INTO odd VALUES (1, 2, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
UPDATE odd SET "we""ird" = 'C', "" = 'F';
SELECT pk, '[' || cid || ']', val, col_version FROM shown WHERE "table" = 'odd';
INSERT INTO crsql_changes VALUES ('odd', crsql_pack_columns(1, 2), 'we"ird', 'merged', 9, 1, x'aa', 1, 0);
INSERT INTO crsql_changes VALUES ('odd', crsql_pack_columns(1, 2), '', 'merged', 9, 1, x'aa', 1, 0);
SELECT * FROM odd;

.print '-- 600 columns'
.output wide.sql
SELECT 'CREATE TABLE wide (id INTEGER PRIMARY KEY, ' || group_concat('c' || value, ', ') || ');'
FROM generate_series(1, 599);
.output
.read wide.sql
SELECT crsql_as_crr('wide');
INSERT INTO wide (id) VALUES (1);
SELECT count(*), min(seq), max(seq) FROM crsql_changes WHERE "table" = 'wide';
UPDATE wide SET c599 = 'last';
SELECT cid, val, col_version FROM shown WHERE "table" = 'wide' AND db_version = crsql_db_version();

.print '-- 600 tables'
.output many.sql
SELECT 'CREATE TABLE m' || value || ' (id INTEGER PRIMARY KEY, v);' FROM generate_series(1, 600);
.output
BEGIN;
.read many.sql
SELECT count(crsql_as_crr('m' || value)) FROM generate_series(1, 600);
COMMIT;
INSERT INTO m600 VALUES (1, 'here');
SELECT "table", val FROM shown WHERE db_version = crsql_db_version();
