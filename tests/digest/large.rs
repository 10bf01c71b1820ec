//! A million rows: what a digest and a conversation cost. Not run by default:
//! `cargo test --release --test digest -- --ignored --nocapture a_million_rows`

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::checks::{exec, one};
use crate::conversation::converse;
use crate::support::{open, scratch_dir};
use crate::world::digest;

const ROWS: usize = 1_000_000;

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = work();
    (outcome, start.elapsed())
}

fn filled(path: &std::path::Path, key: &str) -> Connection {
    let connection = open(path);
    let (kind, value) = match key {
        "integer" => ("INTEGER PRIMARY KEY", "i"),
        // The same on both sides, and in no order.
        _ => (
            "TEXT PRIMARY KEY NOT NULL",
            "printf('%016x-%016x', i * 7046029254386353131 % 9223372036854775807, i)",
        ),
    };
    exec(
        &connection,
        &format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; \
             CREATE TABLE t (k {kind}, a INTEGER, b TEXT, c REAL, d TEXT); SELECT crsql_as_crr('t'); BEGIN; \
             WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < {ROWS}) \
             INSERT INTO t SELECT {value}, i, 'text ' || i, i / 3.0, 'some more text' FROM c; COMMIT"
        ),
    );
    connection
}

fn costs_for(key: &str) {
    let directory = scratch_dir();
    let left = filled(&directory.join("left.db"), key);
    let right = filled(&directory.join("right.db"), key);
    let (first, cost) = timed(|| digest(&left));
    println!("{key}: first digest of {ROWS} rows {cost:?}");
    assert_eq!(digest(&right), first);
    let mut same = left.prepare("SELECT crsql_digest()").expect("prepare");
    let mut point = left
        .prepare("SELECT a FROM t WHERE rowid = 500000")
        .expect("prepare");
    let mut costs = Vec::new();
    for (name, statement) in [("digest", &mut same), ("point read", &mut point)] {
        let (_, cost) = timed(|| {
            for _ in 0..1000 {
                statement
                    .query_row([], |row| row.get::<_, rusqlite::types::Value>(0))
                    .expect("a row");
            }
        });
        println!("{key}: unchanged, {name} {:?}", cost / 1000);
        costs.push(cost);
    }
    assert!(costs[0] < costs[1] * 40, "nothing is looked through");
    drop((same, point));
    for changes in [1, 10, 1000, 100_000] {
        exec(
            &left,
            &format!("UPDATE t SET a = a + 1 WHERE a % {} = 7", ROWS / changes),
        );
        let (_, cost) = timed(|| digest(&left));
        println!("{key}: digest after {changes} changes {cost:?}");
    }
    let pages = "SELECT sum(pgsize) FROM dbstat WHERE name GLOB 'crsql_digest*'";
    if let Ok(bytes) = left.query_row(pages, [], |row| row.get::<_, i64>(0)) {
        println!("{key}: stored {bytes} bytes");
    }
    let (figures, cost) = timed(|| converse(&left, &right, 1 << 20));
    println!("{key}: 100,000 rows differ: {figures:?} in {cost:?}");
    assert_eq!(digest(&left), digest(&right));
    exec(
        &left,
        "UPDATE t SET a = 0 WHERE c IN (1000, 77000, 200000, 300001); DELETE FROM t WHERE c IN (5, 150000); \
         INSERT INTO t (k, a) SELECT CASE typeof(max(k)) WHEN 'text' THEN 'zz' ELSE -5 END, 1 FROM t",
    );
    exec(
        &right,
        "UPDATE t SET b = 'other' WHERE c IN (1000, 90000, 180000); DELETE FROM t WHERE c = 222222",
    );
    digest(&left);
    digest(&right);
    let (figures, cost) = timed(|| converse(&left, &right, 1 << 20));
    println!("{key}: ten rows differ: {figures:?} in {cost:?}");
    assert!(figures.messages <= 12 && figures.bytes < 60_000);
    assert_eq!(digest(&left), digest(&right));
    let (figures, cost) = timed(|| converse(&left, &right, 1 << 20));
    println!("{key}: equal: {figures:?} in {cost:?}");
    assert_eq!(one::<i64>(&left, "SELECT count(*) FROM t"), ROWS as i64 - 2);
}

#[test]
#[ignore = "takes minutes; prints figures"]
fn a_million_rows() {
    costs_for("integer");
    costs_for("uuid");
}
