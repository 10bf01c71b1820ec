//! Triggers of the application that touch the row just written, in every combination.

use rusqlite::Connection;

use crate::checks::{Follower, assert_same, check, create_crr, exec, one, text_of, upgrade};
use crate::support::open_memory;

const EVENTS: [&str; 6] = [
    "BEFORE INSERT",
    "AFTER INSERT",
    "BEFORE UPDATE",
    "AFTER UPDATE",
    "BEFORE DELETE",
    "AFTER DELETE",
];

/// What a trigger does to the row (`$k` is its key) or elsewhere. Each ends by itself also with
/// recursive triggers.
const ACTIONS: [&str; 8] = [
    "UPDATE t SET b = 'touched' WHERE k = $k AND b IS NOT 'touched'",
    "UPDATE t SET a = 'rewritten' WHERE k = $k AND a IS NOT 'rewritten'",
    "DELETE FROM t WHERE k = $k AND a = 'two'",
    "DELETE FROM t WHERE k = $k; INSERT OR IGNORE INTO t(k, a) VALUES ($k, 'reinserted')",
    "UPDATE OR IGNORE t SET k = $k + 1000 WHERE k = $k AND k < 1000",
    "INSERT INTO u(k, n) VALUES ($k, 1) ON CONFLICT DO UPDATE SET n = n + 1",
    "INSERT OR REPLACE INTO u(k, n) VALUES ($k, 5); DELETE FROM u WHERE k = 1",
    "INSERT OR IGNORE INTO t(k, a) SELECT $k + 500, 'companion' WHERE $k < 500",
];

/// Some of these fail or do nothing under some triggers; what they leave must be captured all the same.
const WORKLOAD: [&str; 13] = [
    "INSERT INTO t(k, a) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "UPDATE t SET a = 'changed' WHERE k % 1000 = 1",
    "INSERT OR REPLACE INTO t(k, a) VALUES (2, 'two'), (4, 'four')",
    "INSERT INTO t(k, a) VALUES (2, 'x'), (5, 'five') ON CONFLICT DO UPDATE SET a = excluded.a",
    "INSERT OR IGNORE INTO t(k, a) VALUES (1, 'ignored'), (6, 'six')",
    "UPDATE t SET k = k + 20 WHERE k = 3",
    "UPDATE OR REPLACE t SET k = 4 WHERE k = 5",
    "DELETE FROM t WHERE k % 1000 = 2",
    "INSERT INTO t(k, a) VALUES (2, 'again')",
    "BEGIN; INSERT INTO t(k, a) VALUES (7, 'two'); DELETE FROM t WHERE k = 7; INSERT OR REPLACE INTO t(k, a) VALUES (7, 'seven'); COMMIT",
    "SAVEPOINT s; UPDATE t SET b = 'inside'; ROLLBACK TO s; UPDATE t SET b = 'kept' WHERE k < 4; RELEASE s",
    "UPDATE t SET a = a || '!'",
    "DELETE FROM t",
];

struct Combination<'a> {
    create: &'a str,
    event: &'a str,
    action: &'a str,
    created_first: bool,
    recursive: &'a str,
}

/// The same trigger in a database with the extension and in a bare one.
fn with_and_without(combination: &Combination<'_>) -> (Connection, Connection) {
    let Combination {
        create,
        event,
        action,
        created_first,
        recursive,
    } = combination;
    let key = if event.ends_with("DELETE") {
        "OLD.k"
    } else {
        "NEW.k"
    };
    let trigger = format!(
        "CREATE TRIGGER app {event} ON t BEGIN {}; END",
        action.replace("$k", key)
    );
    let (origin, bare) = (open_memory(), Connection::open_in_memory().expect("open"));
    for connection in [&origin, &bare] {
        exec(
            connection,
            &format!("PRAGMA recursive_triggers = {recursive}"),
        );
        exec(
            connection,
            &format!("CREATE TABLE u(k INTEGER PRIMARY KEY, n INT); {create}"),
        );
    }
    exec(&bare, &trigger);
    upgrade(&origin, "u");
    if *created_first {
        exec(&origin, &trigger);
    }
    upgrade(&origin, "t");
    if !*created_first {
        exec(&origin, &trigger);
    }
    (origin, bare)
}

/// Runs the workload in both. The application sees what it would see without the extension, and the
/// follower sees the same.
fn runs(combination: &Combination<'_>) {
    let (origin, bare) = with_and_without(combination);
    let mut follower = Follower::new(&origin, &["t", "u"]);
    for sql in WORKLOAD {
        let outcomes = [&origin, &bare].map(|connection| {
            let outcome = connection.execute_batch(sql);
            if !connection.is_autocommit() {
                exec(connection, "ROLLBACK");
            }
            outcome.map_err(|error| text_of(&error))
        });
        if one::<String>(&bare, "PRAGMA integrity_check") != "ok" {
            // SQLite damages a table when a BEFORE UPDATE trigger deletes the row that an UPSERT was
            // to update; its documentation calls that undefined.
            return;
        }
        assert_eq!(
            outcomes[0], outcomes[1],
            "{sql}, with the extension and without"
        );
        assert_same(
            &origin,
            &bare,
            &["t", "u"],
            &format!("with the extension and without after {sql}"),
        );
        follower.pull(&origin, sql);
    }
    if combination.event == "BEFORE DELETE" {
        // A trigger that gave the row another key: SQLite, which calls this undefined, removes the row under that
        // key and tells the capture of the old one.
        exec(&origin, "SELECT crsql_adopt('t')");
    }
    check(&origin, &["t", "u"]);
}

fn every_action(create: &str) {
    let mut failed = Vec::new();
    for event in EVENTS {
        for action in ACTIONS {
            for created_first in [true, false] {
                for recursive in ["OFF", "ON"] {
                    let combination = Combination {
                        create,
                        event,
                        action,
                        created_first,
                        recursive,
                    };
                    if std::panic::catch_unwind(|| runs(&combination)).is_err() {
                        failed.push(format!("{event}: {action}; created first: {created_first}; recursive: {recursive}"));
                    }
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} triggers (see above):\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn on_an_integer_key() {
    every_action("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')");
}

#[test]
fn on_an_indexed_key() {
    every_action("CREATE TABLE t(k INT PRIMARY KEY NOT NULL, a, b DEFAULT 'd')");
}

#[test]
fn without_rowid() {
    every_action("CREATE TABLE t(k INT PRIMARY KEY, a, b DEFAULT 'd') WITHOUT ROWID");
}

#[test]
fn on_keys_alone() {
    let create =
        "CREATE TABLE t(k INT NOT NULL, a TEXT AS ('two') VIRTUAL, b AS (NULL), PRIMARY KEY (k))";
    let origin = open_memory();
    create_crr(&origin, "t", create);
    exec(
        &origin,
        "CREATE TRIGGER app AFTER INSERT ON t WHEN NEW.k < 10 BEGIN UPDATE t SET k = k + 10 WHERE k = NEW.k; END",
    );
    exec(
        &origin,
        "CREATE TRIGGER gone AFTER INSERT ON t WHEN NEW.k = 5 BEGIN DELETE FROM t WHERE k = 15; END",
    );
    let mut follower = Follower::new(&origin, &["t"]);
    for sql in [
        "INSERT INTO t(k) VALUES (1), (2)",
        "INSERT INTO t(k) VALUES (5)",
        "INSERT OR REPLACE INTO t(k) VALUES (11), (3)",
        "DELETE FROM t",
    ] {
        exec(&origin, sql);
        follower.pull(&origin, sql);
    }
    check(&origin, &["t"]);
}

#[test]
fn a_trigger_that_ignores_the_row() {
    let origin = open_memory();
    create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(&origin, "INSERT INTO t VALUES (1, 'x'), (2, 'y')");
    for event in ["INSERT", "UPDATE", "DELETE"] {
        exec(
            &origin,
            &format!(
                "CREATE TRIGGER app_{event} BEFORE {event} ON t BEGIN SELECT RAISE(IGNORE); END"
            ),
        );
    }
    let mut follower = Follower::new(&origin, &["t"]);
    follower.pull(&origin, "setting up");
    exec(
        &origin,
        "INSERT INTO t VALUES (3, 'z'); REPLACE INTO t VALUES (1, 'z'); UPDATE t SET a = 'z', k = k + 9; DELETE FROM t",
    );
    assert_eq!(follower.pull(&origin, "writes that were ignored"), 0);
    assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 1);
    exec(
        &origin,
        "DROP TRIGGER app_INSERT; DROP TRIGGER app_UPDATE; DROP TRIGGER app_DELETE",
    );
    exec(
        &origin,
        "DELETE FROM t WHERE k = 1; INSERT INTO t VALUES (1, 'w')",
    );
    follower.pull(&origin, "writes that were not");
    check(&origin, &["t"]);
}

#[test]
fn triggers_on_a_view_write_through() {
    let origin = open_memory();
    create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &origin,
        "CREATE VIEW v AS SELECT k, a FROM t; \
         CREATE TRIGGER v_insert INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (NEW.k, NEW.a); END; \
         CREATE TRIGGER v_update INSTEAD OF UPDATE ON v BEGIN UPDATE t SET k = NEW.k, a = NEW.a WHERE k = OLD.k; END",
    );
    exec(
        &origin,
        "INSERT INTO v VALUES (1, 'x'), (2, 'y'); UPDATE v SET k = 9 WHERE k = 2; UPDATE v SET a = 'z'",
    );
    assert_eq!(
        one::<i64>(&origin, "SELECT count(*) FROM t WHERE a = 'z'"),
        2
    );
    check(&origin, &["t"]);
}

#[test]
fn a_temp_trigger_on_a_replicated_table() {
    let origin = open_memory();
    create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &origin,
        "CREATE TEMP TRIGGER app AFTER INSERT ON main.t BEGIN UPDATE t SET a = 'temp' WHERE k = NEW.k; END",
    );
    exec(&origin, "INSERT INTO t VALUES (1, 'x')");
    assert_eq!(one::<String>(&origin, "SELECT a FROM t"), "temp");
    check(&origin, &["t"]);
}

#[test]
fn foreign_key_actions_of_plain_tables_are_captured_in_replicated_ones() {
    let origin = open_memory();
    create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &origin,
        "PRAGMA foreign_keys = ON; CREATE TABLE parent(id INTEGER PRIMARY KEY)",
    );
    exec(
        &origin,
        "CREATE TABLE child(t INTEGER REFERENCES t(k) ON DELETE CASCADE ON UPDATE CASCADE)",
    );
    exec(
        &origin,
        "CREATE TRIGGER echo AFTER DELETE ON child BEGIN INSERT INTO t VALUES (OLD.t + 100, 'left a trace'); END",
    );
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 'x'), (2, 'y'); INSERT INTO child VALUES (1), (2)",
    );
    exec(
        &origin,
        "UPDATE t SET k = 3 WHERE k = 1; DELETE FROM t WHERE k = 3",
    );
    assert_eq!(
        one::<i64>(&origin, "SELECT count(*) FROM t WHERE k = 103"),
        1
    );
    check(&origin, &["t"]);
}

#[test]
fn a_temp_trigger_is_noticed_whenever_it_is_made() {
    let trigger = "CREATE TEMP TRIGGER app AFTER DELETE ON main.t BEGIN INSERT INTO t VALUES (OLD.k, 'again'); END";
    for before in [
        "",
        "BEGIN; CREATE TEMP TABLE x(a); DELETE FROM t WHERE k = 2; ROLLBACK",
        "BEGIN; CREATE TEMP TABLE x(a); SELECT crsql_rows_impacted(); UPDATE t SET a = 'z'; ROLLBACK",
        "BEGIN; SAVEPOINT s; CREATE TEMP TABLE x(a); DELETE FROM t; ROLLBACK TO s; COMMIT",
    ] {
        let origin = open_memory();
        create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
        exec(&origin, "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')");
        exec(&origin, "DELETE FROM t WHERE k = 3");
        exec(&origin, before);
        exec(&origin, trigger);
        exec(&origin, "DELETE FROM t WHERE k = 1");
        assert_eq!(
            one::<String>(&origin, "SELECT a FROM t WHERE k = 1"),
            "again"
        );
        check(&origin, &["t"]);
    }
}
