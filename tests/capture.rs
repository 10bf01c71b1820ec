//! Capture of local writes: whatever statement wrote them, the changes alone rebuild the tables.
//!
//! After every statement a follower pulls only what is new and must be equal, and a replica rebuilt
//! from all changes must be equal too; each cell is reported once and (db_version, seq) is unique.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/dice.rs"]
mod dice;

#[path = "support/checks.rs"]
mod checks;

#[path = "capture/batches.rs"]
mod batches;

#[path = "capture/failing.rs"]
mod failing;

#[path = "capture/user_triggers.rs"]
mod user_triggers;

#[path = "capture/values.rs"]
mod values;

#[path = "capture/versions.rs"]
mod versions;

#[path = "capture/waiting.rs"]
mod waiting;

#[path = "capture/widths.rs"]
mod widths;

use checks::{Follower, check, content, create_crr, exec, one, refusal, rows};
use rusqlite::Connection;
use rusqlite::types::Value;
use support::{changes, open_memory};

/// The same three columns under every kind of key.
const SHAPES: [&str; 5] = [
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')",
    "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b DEFAULT 'd')",
    "CREATE TABLE t(k PRIMARY KEY, a, b DEFAULT 'd') WITHOUT ROWID",
    "CREATE TABLE t(b DEFAULT 'd', k REAL NOT NULL, a, c AS (1) STORED, d INT NOT NULL DEFAULT 0, PRIMARY KEY (d, k))",
    "CREATE TABLE t(k ANY PRIMARY KEY NOT NULL, a ANY, b ANY DEFAULT 'd') STRICT",
];

/// A statement, and whether it succeeds.
enum Step {
    Runs(&'static str),
    Fails(&'static str),
}
use Step::{Fails, Runs};

/// Runs the steps against every shape, with rows 1 to 3 present, and checks after each.
fn captures(steps: &[Step]) {
    for create in SHAPES {
        for recursive in ["OFF", "ON"] {
            let origin = open_memory();
            exec(&origin, &format!("PRAGMA recursive_triggers = {recursive}"));
            create_crr(&origin, "t", create);
            create_crr(
                &origin,
                "u",
                "CREATE TABLE u(k INTEGER PRIMARY KEY, n INT DEFAULT 0)",
            );
            exec(
                &origin,
                "INSERT INTO t(k, a) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
            );
            captures_on(&origin, steps);
        }
    }
}

fn captures_on(origin: &Connection, steps: &[Step]) {
    let mut follower = Follower::new(origin, &["t", "u"]);
    for step in steps {
        let sql = match step {
            Runs(sql) => {
                exec(origin, sql);
                sql
            }
            Fails(sql) => {
                let before = (
                    content(origin, "t"),
                    content(origin, "u"),
                    changes(origin, 0),
                );
                assert!(origin.execute_batch(sql).is_err(), "no error from {sql}");
                let after = (
                    content(origin, "t"),
                    content(origin, "u"),
                    changes(origin, 0),
                );
                assert_eq!(before, after, "left behind by {sql}");
                sql
            }
        };
        if origin.is_autocommit() {
            follower.pull(origin, sql);
        }
        check(origin, &["t", "u"]);
    }
}

#[test]
fn insert_update_delete_and_again() {
    captures(&[
        Runs("INSERT INTO t(k, a) VALUES (4, NULL)"),
        Runs("UPDATE t SET a = 'changed', b = b WHERE k = 4"),
        Runs("UPDATE t SET a = a"),
        Runs("DELETE FROM t WHERE k = 4"),
        Runs("DELETE FROM t WHERE k = 4"),
        Runs("INSERT INTO t(k, a) VALUES (4, 'second life')"),
        Runs("DELETE FROM t WHERE k = 4"),
        Runs("INSERT INTO t(k, a) VALUES (4, 'third life')"),
    ]);
}

#[test]
fn insert_or_replace() {
    captures(&[
        Runs("INSERT OR REPLACE INTO t(k, a) VALUES (1, 'replaced')"),
        Runs(
            "REPLACE INTO t(k, a, b) VALUES (1, 'replaced', 'again'), (1, 'twice in', 'one statement'), (9, 'new', NULL)",
        ),
        Runs("UPDATE t SET b = 'x' WHERE k = 1"),
        Runs(
            "DELETE FROM t WHERE k = 1; REPLACE INTO t(k, a) VALUES (1, 'back'); REPLACE INTO t(k, a) VALUES (1, 'and replaced')",
        ),
        Runs(
            "BEGIN; REPLACE INTO t(k, a) VALUES (2, 'x'); DELETE FROM t WHERE k = 2; REPLACE INTO t(k, a) VALUES (2, 'y'); COMMIT",
        ),
        Runs("REPLACE INTO t(k, a, b) SELECT k, a, b FROM t"),
    ]);
}

#[test]
fn insert_or_ignore_and_do_nothing() {
    captures(&[
        Runs("INSERT OR IGNORE INTO t(k, a) VALUES (1, 'ignored'), (4, 'kept'), (4, 'ignored')"),
        // What the ignored insert noticed must not stick to the next one.
        Runs(
            "BEGIN; INSERT OR IGNORE INTO t(k, a) VALUES (1, 'x'); DELETE FROM t WHERE k = 1; INSERT INTO t(k, a) VALUES (1, 'y'); COMMIT",
        ),
        Runs("INSERT INTO t(k, a) VALUES (2, 'ignored'), (5, 'kept') ON CONFLICT DO NOTHING"),
        Runs(
            "BEGIN; INSERT OR IGNORE INTO t(k, a) VALUES (3, 'x'); UPDATE t SET a = 'z' WHERE k = 3; COMMIT",
        ),
        Runs("UPDATE OR IGNORE t SET k = 1 WHERE k = 2"),
    ]);
}

#[test]
fn upsert() {
    captures(&[
        Runs("INSERT INTO t(k, a) VALUES (1, 'x') ON CONFLICT DO UPDATE SET a = excluded.a"),
        Runs(
            "INSERT INTO t(k, a) VALUES (1, 'x'), (7, 'x'), (7, 'y'), (2, 'z') ON CONFLICT DO UPDATE SET a = a || excluded.a, b = NULL",
        ),
        Runs("INSERT INTO t(k, a) VALUES (1, 'x') ON CONFLICT DO UPDATE SET a = 'never' WHERE 0"),
        Runs("INSERT INTO t(k, a) VALUES (1, 'x') ON CONFLICT DO UPDATE SET k = 100"),
        Runs(
            "BEGIN; INSERT INTO t(k, a) VALUES (2, 'x') ON CONFLICT DO UPDATE SET a = 'w'; DELETE FROM t WHERE k = 2; INSERT INTO t(k, a) VALUES (2, 'v'); COMMIT",
        ),
        Runs(
            "INSERT INTO u SELECT value, 1 FROM json_each('[1,1,2]') WHERE true ON CONFLICT (k) DO UPDATE SET n = n + 1",
        ),
    ]);
}

#[test]
fn upsert_records_the_changed_columns_only() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    exec(&origin, "INSERT INTO t VALUES (1, 1, 1)");
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 9, 9) ON CONFLICT DO UPDATE SET a = a + 1",
    );
    let seen = rows(
        &origin,
        "SELECT cid, val, col_version, db_version, cl FROM crsql_changes",
    );
    let [one, two] = [1, 2].map(Value::Integer);
    assert_eq!(
        seen,
        [
            vec![
                Value::Text("b".into()),
                one.clone(),
                one.clone(),
                one.clone(),
                one.clone()
            ],
            vec![Value::Text("a".into()), two.clone(), two.clone(), two, one],
        ]
    );
}

#[test]
fn returning() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    let ids = rows(
        &origin,
        "INSERT INTO t(a) VALUES ('x'), ('y') RETURNING k, a, b",
    );
    assert_eq!(
        ids[1],
        [
            Value::Integer(2),
            Value::Text("y".into()),
            Value::Text("d".into())
        ]
    );
    assert_eq!(rows(&origin, "UPDATE t SET a = 'z' RETURNING a").len(), 2);
    assert_eq!(
        rows(&origin, "UPDATE t SET k = 3 WHERE k = 1 RETURNING k"),
        [[Value::Integer(3)]]
    );
    assert_eq!(
        rows(&origin, "REPLACE INTO t(k) VALUES (2) RETURNING b"),
        [[Value::Text("d".into())]]
    );
    check(&origin, &["t"]);
    assert_eq!(rows(&origin, "DELETE FROM t RETURNING k").len(), 2);
    check(&origin, &["t"]);
}

#[test]
fn returning_that_is_read_half_and_dropped() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    let first: i64 = origin
        .query_row(
            "INSERT INTO t(a) VALUES ('x'), ('y'), ('z') RETURNING k",
            [],
            |row| row.get(0),
        )
        .expect("one row");
    assert_eq!(
        (first, one::<i64>(&origin, "SELECT count(*) FROM t")),
        (1, 3)
    );
    check(&origin, &["t"]);
}

#[test]
fn failing_statements_of_many_rows() {
    captures(&[
        Runs(
            "CREATE TRIGGER guard BEFORE INSERT ON t WHEN NEW.a = 'bad' BEGIN SELECT RAISE(ABORT, 'bad row'); END",
        ),
        Runs(
            "CREATE TRIGGER guard_update AFTER UPDATE ON t WHEN NEW.a = 'bad' BEGIN SELECT RAISE(ABORT, 'bad row'); END",
        ),
        Runs(
            "CREATE TRIGGER guard_delete BEFORE DELETE ON t WHEN OLD.a = 'keep' BEGIN SELECT RAISE(ABORT, 'kept'); END",
        ),
        Fails("INSERT INTO t(k, a) VALUES (10, 'good'), (11, 'bad')"),
        Fails("INSERT INTO t(k, a) VALUES (10, 'good'), (1, 'a key that is there')"),
        Fails("REPLACE INTO t(k, a) VALUES (1, 'good'), (11, 'bad')"),
        Fails("UPDATE t SET a = CASE k WHEN 3 THEN 'bad' ELSE 'fine' END"),
        Runs("UPDATE t SET a = 'keep' WHERE k = 3"),
        Fails("DELETE FROM t"),
        Fails("UPDATE t SET k = 2 WHERE k = 1"),
        Runs("BEGIN; INSERT INTO t(k, a) VALUES (4, 'in the transaction')"),
        Fails("INSERT INTO t(k, a) VALUES (10, 'good'), (11, 'bad')"),
        Fails("UPDATE t SET a = CASE k WHEN 4 THEN 'bad' ELSE 'fine' END"),
        Fails("DELETE FROM t"),
        Runs("INSERT INTO t(k, a) VALUES (10, 'good')"),
        Runs("COMMIT"),
    ]);
}

#[test]
fn or_fail_keeps_the_rows_before_the_failing_one() {
    for create in SHAPES {
        let origin = open_memory();
        create_crr(&origin, "t", create);
        exec(&origin, "INSERT INTO t(k, a) VALUES (3, 'three')");
        refusal(
            &origin,
            "INSERT OR FAIL INTO t(k, a) VALUES (1, 'kept'), (2, 'kept'), (3, 'conflict'), (4, 'never')",
        );
        assert_eq!(one::<i64>(&origin, "SELECT count(*) FROM t"), 3);
        check(&origin, &["t"]);
        exec(
            &origin,
            "BEGIN; INSERT INTO t(k, a) VALUES (9, 'gone with the rollback')",
        );
        refusal(
            &origin,
            "INSERT OR ROLLBACK INTO t(k, a) VALUES (5, 'gone'), (3, 'conflict')",
        );
        assert!(origin.is_autocommit(), "OR ROLLBACK ended the transaction");
        assert_eq!(one::<i64>(&origin, "SELECT count(*) FROM t"), 3);
        exec(&origin, "INSERT INTO t(k, a) VALUES (6, 'after')");
        check(&origin, &["t"]);
    }
}

#[test]
fn savepoints() {
    captures(&[
        Runs(
            "BEGIN; UPDATE t SET a = 'outer' WHERE k = 1; SAVEPOINT s; UPDATE t SET a = 'inner'; ROLLBACK TO s; UPDATE t SET b = 'after'; COMMIT",
        ),
        Runs(
            "SAVEPOINT s; INSERT INTO t(k, a) VALUES (4, 'x'); SAVEPOINT r; DELETE FROM t; ROLLBACK TO r; RELEASE s",
        ),
        Runs(
            "BEGIN; SAVEPOINT s; INSERT INTO t(k, a) VALUES (5, 'x'); ROLLBACK TO s; INSERT INTO t(k, a) VALUES (5, 'y'); RELEASE s; COMMIT",
        ),
        Runs(
            "BEGIN; DELETE FROM t WHERE k = 5; SAVEPOINT s; INSERT INTO t(k, a) VALUES (5, 'z'); ROLLBACK TO s; RELEASE s; INSERT INTO u VALUES (1, 1); COMMIT",
        ),
        Runs(
            "BEGIN; SAVEPOINT s; UPDATE t SET k = 50 WHERE k = 1; ROLLBACK TO s; UPDATE t SET k = 51 WHERE k = 1; RELEASE s; COMMIT",
        ),
        Runs("BEGIN; UPDATE t SET a = 'never'; ROLLBACK"),
        Runs("SAVEPOINT s"),
        Runs("UPDATE t SET a = 'one'"),
        Runs("SAVEPOINT r"),
        Runs("DELETE FROM t"),
        Runs("ROLLBACK TO r"),
        Runs("INSERT INTO u VALUES (7, 7)"),
        Runs("RELEASE s"),
    ]);
}

#[test]
fn key_changes() {
    captures(&[
        Runs("UPDATE t SET k = 4 WHERE k = 1"),
        Runs("UPDATE t SET k = 1 WHERE k = 4"),
        Runs("UPDATE t SET k = k + 100, a = 'moved'"),
        Runs(
            "BEGIN; UPDATE t SET k = 1 WHERE k = 101; UPDATE t SET k = 101 WHERE k = 102; UPDATE t SET k = 102 WHERE k = 1; COMMIT",
        ),
        Runs("UPDATE t SET k = 103.0 WHERE k = 103"),
        Runs("UPDATE OR REPLACE t SET k = 102 WHERE k = 101"),
        Runs(
            "BEGIN; INSERT INTO t(k, a) VALUES (5, 'x'); UPDATE t SET k = 6 WHERE k = 5; UPDATE t SET b = 'y' WHERE k = 6; COMMIT",
        ),
        Runs(
            "BEGIN; INSERT INTO t(k, a) VALUES (7, 'x'); UPDATE t SET k = 8 WHERE k = 7; DELETE FROM t WHERE k = 8; COMMIT",
        ),
        Fails("UPDATE t SET k = 6 WHERE k + 0 = 103"),
        Runs(
            "DELETE FROM t WHERE k = 6; UPDATE t SET k = 6 WHERE k = 103; UPDATE t SET k = 103 WHERE k = 6",
        ),
    ]);
}

#[test]
fn update_or_replace() {
    captures(&[
        Runs("UPDATE OR REPLACE t SET k = 2, a = 'onto a live row' WHERE k = 1"),
        Runs("DELETE FROM t WHERE k = 3; INSERT INTO t(k, a) VALUES (3, 'second life')"),
        Runs("UPDATE OR REPLACE t SET k = 3 WHERE k = 2"),
        Runs("INSERT INTO t(k, a) VALUES (4, 'x'), (5, 'y'), (6, 'z')"),
        Runs("UPDATE OR REPLACE t SET k = 10"),
        Runs(
            "BEGIN; INSERT INTO t(k, a) VALUES (11, 'x'); UPDATE OR REPLACE t SET k = 10 WHERE k = 11; COMMIT",
        ),
        Runs("UPDATE OR REPLACE t SET k = 10, a = a"),
    ]);
}

#[test]
fn rowid_updates() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    create_crr(
        &origin,
        "u",
        "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, n)",
    );
    exec(
        &origin,
        "INSERT INTO t(k, a) VALUES (1, 'x'), (2, 'y'); INSERT INTO u VALUES ('a', 1), ('b', 2)",
    );
    captures_on(
        &origin,
        &[
            Runs("UPDATE t SET rowid = 10 WHERE k = 1"),
            Runs("UPDATE t SET oid = oid + 1, a = 'both'"),
            // The rowid of this one is no key: nothing to report, nothing to lose.
            Runs("UPDATE u SET rowid = rowid + 100"),
            Runs("UPDATE u SET rowid = 5, n = 9 WHERE k = 'a'"),
            // The row with that rowid would be replaced though its key is in no conflict, and SQLite
            // tells nobody.
            Fails("UPDATE OR REPLACE u SET rowid = 5 WHERE k = 'b'"),
            Fails("INSERT OR REPLACE INTO u(rowid, k, n) VALUES (5, 'c', 3)"),
            Runs("INSERT OR REPLACE INTO u(rowid, k, n) VALUES (5, 'a', 3), (-1, 'd', 4)"),
            Runs("INSERT INTO u VALUES ('e', 5)"),
        ],
    );
    let text = "crsql: a row of table \"u\" was given the rowid of another, which would remove that row unrecorded; \
                leave the rowid to SQLite";
    assert_eq!(
        refusal(
            &origin,
            "REPLACE INTO u(rowid, k) VALUES (-1, 'f'), (5, 'g')"
        ),
        text
    );
    create_crr(
        &origin,
        "odd",
        "CREATE TABLE odd(rowid TEXT PRIMARY KEY NOT NULL, oid)",
    );
    exec(
        &origin,
        "INSERT INTO odd VALUES ('x', 1), ('y', 2); REPLACE INTO odd VALUES ('x', 3)",
    );
    exec(
        &origin,
        "UPDATE odd SET rowid = 'z' WHERE rowid = 'y'; UPDATE odd SET oid = 3",
    );
    check(&origin, &["t", "u", "odd"]);
}

#[test]
fn the_key_that_sqlite_shows_before_it_has_chosen_one() {
    // In a BEFORE INSERT trigger the rowid to come reads -1, which is a key like any other.
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    create_crr(&origin, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, n)");
    exec(&origin, "INSERT INTO t VALUES (-1, 'minus', 'one')");
    let fresh = |key: i64| -> Vec<Vec<Value>> {
        rows(
            &origin,
            &format!(
                "SELECT DISTINCT col_version, cl FROM crsql_changes WHERE pk = crsql_pack_columns({key})"
            ),
        )
    };
    captures_on(
        &origin,
        &[
            Runs("INSERT INTO t(a) VALUES ('chosen'), ('chosen')"),
            Runs("INSERT INTO t(k, a) VALUES (NULL, 'chosen')"),
        ],
    );
    for key in [0, 1, 2] {
        assert_eq!(
            fresh(key),
            [[Value::Integer(1), Value::Integer(1)]],
            "row {key}"
        );
    }
    captures_on(
        &origin,
        &[
            Runs(
                "BEGIN; INSERT INTO t(a) VALUES ('chosen'); DELETE FROM t WHERE k = -1; INSERT INTO t(k, a) VALUES (-1, 'again'); COMMIT",
            ),
            Runs("INSERT OR REPLACE INTO t(a) VALUES ('chosen')"),
            Runs("DELETE FROM t WHERE k = -1"),
        ],
    );
}

#[test]
fn conflict_clauses_in_the_table() {
    for clause in ["REPLACE", "IGNORE", "FAIL", "ROLLBACK"] {
        let origin = open_memory();
        create_crr(
            &origin,
            "t",
            &format!(
                "CREATE TABLE t(k INT NOT NULL, a NOT NULL ON CONFLICT {clause} DEFAULT 'd', b, PRIMARY KEY (k) ON CONFLICT {clause})"
            ),
        );
        let mut follower = Follower::new(&origin, &["t"]);
        for sql in [
            "INSERT INTO t VALUES (1, 'x', 'y'), (2, 'x', 'y')",
            "INSERT INTO t VALUES (3, 'x', 'y'), (1, 'z', NULL), (4, 'x', 'y')",
            "UPDATE t SET k = 2 WHERE k = 1",
            "UPDATE t SET a = NULL, b = k",
        ] {
            // Some of the clauses refuse some of them, and FAIL keeps the rows before.
            drop(origin.execute_batch(sql));
            follower.pull(&origin, &format!("{sql} ON CONFLICT {clause}"));
        }
        check(&origin, &["t"]);
    }
}

#[test]
fn update_from_and_subqueries() {
    captures(&[
        Runs("INSERT INTO u VALUES (1, 10), (2, 20)"),
        Runs("UPDATE t SET a = u.n FROM u WHERE u.k = t.k"),
        Runs("UPDATE t SET k = t.k + u.n FROM u WHERE u.k = t.k"),
        Runs("UPDATE t SET (a, b) = (SELECT max(n), min(n) FROM u)"),
        Runs("INSERT INTO t(k, a) SELECT k + 1000, n FROM u"),
        Runs("WITH gone AS (SELECT k FROM u) DELETE FROM t WHERE k - 1000 IN gone"),
        Runs("DELETE FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.a = u.n)"),
    ]);
}

#[test]
fn delete_without_where() {
    captures(&[
        Runs("DELETE FROM t"),
        Runs("INSERT INTO t(k, a) VALUES (1, 'back')"),
        Runs("BEGIN; DELETE FROM t; DELETE FROM u; ROLLBACK"),
        Runs("DELETE FROM t"),
    ]);
}
