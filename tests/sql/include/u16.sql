-- What cr-sqlite 0.16.3 leaves of: two rows inserted at version 1, an update of a peer at 4, a deletion at 6.
CREATE TABLE crsql_master (key TEXT PRIMARY KEY, value ANY);
INSERT INTO crsql_master VALUES ('crsqlite_version', 160300);
CREATE TABLE crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
CREATE UNIQUE INDEX crsql_site_id_site_id ON crsql_site_id (site_id);
INSERT INTO crsql_site_id VALUES
    (x'a1a1a1a1a1a14a1a8a1a1a1a1a1a1a1a', 0), (x'b2b2b2b2b2b24b2b8b2b2b2b2b2b2b2b', 1);
CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, name, n);
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 22);
CREATE TABLE t__crsql_clock (key INTEGER, col_name TEXT, col_version INTEGER, db_version INTEGER,
    site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER, PRIMARY KEY (key, col_name)) WITHOUT ROWID, STRICT;
CREATE INDEX t__crsql_clock_dbv_idx ON t__crsql_clock (db_version);
CREATE TABLE t__crsql_pks (__crsql_key INTEGER PRIMARY KEY, id);
CREATE UNIQUE INDEX t__crsql_pks_pks ON t__crsql_pks (id);
INSERT INTO t__crsql_pks VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO t__crsql_clock VALUES
    (1, 'name', 1, 1, 0, 0), (1, 'n', 1, 1, 0, 1),
    (2, 'name', 1, 1, 0, 2), (2, 'n', 2, 4, 1, 5),
    (3, '-1', 2, 6, 0, 0);
CREATE TRIGGER t__crsql_itrig AFTER INSERT ON t WHEN crsql_internal_sync_bit() = 0
BEGIN VALUES (crsql_after_insert('t', NEW.id)); END;
