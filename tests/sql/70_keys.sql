-- Keys that never collide: made by the database, ascending, the same on no two replicas.
.load ./crsql

.print '-- what they look like'
SELECT length(crsql_uuid()), typeof(crsql_uuid()), length(crsql_uuid_blob()), typeof(crsql_uuid_blob()),
    length(crsql_ulid()), typeof(crsql_ulid());
SELECT crsql_uuid() GLOB '????????-????-7???-[89ab]???-????????????',
    crsql_uuid() NOT GLOB '*[^-0-9a-f]*';
SELECT substr(hex(crsql_uuid_blob()), 13, 1), crsql_ulid() NOT GLOB '*[^0-9A-HJKMNP-TV-Z]*';

.print '-- each call gives a new one, higher than the one before'
WITH made AS MATERIALIZED (SELECT value, crsql_uuid() AS id, crsql_ulid() AS ulid, crsql_uuid_blob() AS raw
    FROM generate_series(1, 10000))
SELECT count(DISTINCT id), count(DISTINCT ulid), count(DISTINCT raw),
    (SELECT count(*) FROM (SELECT id > lag(id) OVER (ORDER BY value) AND ulid > lag(ulid) OVER (ORDER BY value)
        AND raw > lag(raw) OVER (ORDER BY value) AS ascends FROM made) WHERE NOT ascends) AS out_of_order
FROM made;

.print '-- as a default, whatever the schema is trusted with'
PRAGMA trusted_schema = OFF;
CREATE TABLE tasks (id TEXT PRIMARY KEY NOT NULL DEFAULT (crsql_uuid()), title TEXT);
CREATE TABLE raw (id BLOB PRIMARY KEY DEFAULT (crsql_uuid_blob()), v INT) STRICT, WITHOUT ROWID;
CREATE TABLE sorted (id TEXT PRIMARY KEY DEFAULT (crsql_ulid()), v INT) STRICT, WITHOUT ROWID;
SELECT crsql_as_crr('tasks'), crsql_as_crr('raw'), crsql_as_crr('sorted');
INSERT INTO tasks (title) VALUES ('sow'), ('water'), ('reap');
INSERT INTO raw (v) VALUES (1), (2), (3);
INSERT INTO sorted (v) VALUES (1), (2), (3);
SELECT group_concat(title) FROM (SELECT title FROM tasks ORDER BY id);
SELECT group_concat(v) FROM (SELECT v FROM raw ORDER BY id);
SELECT group_concat(v) FROM (SELECT v FROM sorted ORDER BY id);
SELECT "table", count(*), count(DISTINCT pk) FROM crsql_changes GROUP BY 1 ORDER BY 1;

.print '-- in a trigger and in a view too'
CREATE TABLE history (id BLOB PRIMARY KEY NOT NULL, what);
CREATE TRIGGER note AFTER INSERT ON tasks BEGIN INSERT INTO history VALUES (crsql_uuid_blob(), new.title); END;
INSERT INTO tasks (title) VALUES ('store');
CREATE VIEW fresh AS SELECT length(crsql_uuid()) + length(crsql_ulid()) AS characters;
SELECT what, (SELECT characters FROM fresh) FROM history;

.print '-- wrong calls'
SELECT crsql_uuid(7);
SELECT crsql_uuid_blob(NULL);
SELECT crsql_ulid('a', 'b');
