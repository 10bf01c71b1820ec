//! A million rows: how long the upgrade takes, and that it is complete. Run by hand, on a release build:
//! `CRSQL_EXTENSION=dist/crsql.so cargo test --release --test upgrade -- --ignored --nocapture`.

use super::upgrade;
use crate::checks::{exec, one};
use crate::support::{load, scratch_dir};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a million rows may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A database of 0.16 with a million rows of five columns, inserted 100 in a transaction; every third row has
/// a cell that another site wrote later.
fn make(path: &Path, key_type: &str, key: &str) {
    let connection = Connection::open(path).expect("open the database");
    let own = "p.__crsql_key % 3 <> 0 OR c.name <> 'b'";
    exec(
        &connection,
        &format!(
            "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;
             CREATE TABLE crsql_master (key TEXT PRIMARY KEY, value ANY);
             INSERT INTO crsql_master VALUES ('crsqlite_version', 160300);
             CREATE TABLE crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
             INSERT INTO crsql_site_id VALUES
                 (x'a1a1a1a1a1a14a1a8a1a1a1a1a1a1a1a', 0), (x'b2b2b2b2b2b24b2b8b2b2b2b2b2b2b2b', 1);
             CREATE TABLE t (k {key_type} PRIMARY KEY NOT NULL, a, b, c INT, d REAL, e);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
             INSERT INTO t SELECT {key}, 'text ' || i, i * 3, i % 100, i / 7.0, NULL FROM n;
             CREATE TABLE t__crsql_pks (__crsql_key INTEGER PRIMARY KEY, k);
             INSERT INTO t__crsql_pks (k) SELECT k FROM t ORDER BY rowid;
             CREATE UNIQUE INDEX t__crsql_pks_pks ON t__crsql_pks (k);
             CREATE TABLE t__crsql_clock (key INTEGER, col_name TEXT, col_version INTEGER, db_version INTEGER,
                 site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER, PRIMARY KEY (key, col_name)) WITHOUT ROWID, STRICT;
             INSERT INTO t__crsql_clock SELECT p.__crsql_key, c.name, iif({own}, 1, 2),
                 iif({own}, 1 + p.__crsql_key / 100, 20000 + p.__crsql_key / 300), iif({own}, 0, 1),
                 iif({own}, p.__crsql_key % 100 * 5 + c.place, p.__crsql_key % 300)
             FROM t__crsql_pks AS p, (SELECT 'a' AS name, 0 AS place UNION ALL VALUES ('b', 1), ('c', 2), ('d', 3),
                 ('e', 4)) AS c;
             CREATE INDEX t__crsql_clock_dbv_idx ON t__crsql_clock (db_version);
             COMMIT"
        ),
    );
}

#[test]
#[ignore = "takes a minute and some hundred megabytes"]
fn a_million_rows_are_upgraded_in_time() {
    for (kind, key_type, key) in [
        ("integer keys", "INTEGER", "i"),
        ("random text keys", "TEXT", "lower(hex(randomblob(16)))"),
    ] {
        let directory = scratch_dir();
        let path = directory.join("old.db");
        make(&path, key_type, key);
        let connection = Connection::open(&path).expect("open the database");
        load(&connection).expect("load the extension");
        let begin = Instant::now();
        upgrade(&connection);
        let taken = begin.elapsed();
        println!("{kind}: {taken:.1?}");
        assert!(taken < LIMIT, "{kind}: {taken:?}");
        let changes: i64 = one(&connection, "SELECT count(*) FROM crsql_changes");
        assert_eq!(changes, 5_000_000, "{kind}");
    }
}
