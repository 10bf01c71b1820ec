//! Right changes that the table here refuses, by a constraint or a trigger of the application: an error, or
//! no effect where the trigger says so. Nothing is half done, capture goes on, and once nothing stands in
//! the way the same changes are merged.

use crate::checks::{Follower, assert_same, check_partial, create_crr, exec, one, rows, text_of};
use crate::support::{changes, merge, open_memory};
use rusqlite::{Connection, Error, Result, params};

/// How changes come in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Rows,
    Statement,
    Changeset,
    Reconcile,
}

const WAYS: [Way; 4] = [Way::Rows, Way::Statement, Way::Changeset, Way::Reconcile];

/// What stands in the way here.
struct Obstacle {
    name: String,
    /// The table as this database declares it
    table: &'static str,
    make: String,
    remove: String,
    /// What the other database writes
    change: &'static str,
    /// What it writes later to get past a constraint that stays
    mend: &'static str,
    /// A piece of the error's text; none if there is no error
    text: Option<&'static str>,
}

const PLAIN: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, c)";

fn constraints() -> Vec<Obstacle> {
    let of = |name: &str, table, change, text| Obstacle {
        name: name.to_owned(),
        table,
        make: String::new(),
        remove: String::new(),
        change,
        mend: "UPDATE t SET a = 'fine', b = 1, c = 1",
        text: Some(text),
    };
    let child = |deferred: &str| {
        format!(
            "PRAGMA foreign_keys = ON; CREATE TABLE child(t REFERENCES t(k) {deferred}); INSERT INTO child VALUES (2)"
        )
    };
    let (insert, update) = (
        "INSERT INTO t VALUES (10, 'bad', 1, 1)",
        "UPDATE t SET a = 'bad' WHERE k = 1",
    );
    let check = "CREATE TABLE t(k INTEGER PRIMARY KEY, a CHECK (a <> 'bad'), b, c)";
    let typed = "CREATE TABLE t(k INTEGER PRIMARY KEY, a ANY, b ANY, c INT) STRICT";
    let not_null = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b NOT NULL DEFAULT 3, c)";
    let replacing =
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b NOT NULL ON CONFLICT REPLACE DEFAULT 3, c)";
    let mut all = vec![
        of("CHECK, new row", check, insert, "CHECK constraint failed"),
        of("CHECK, live row", check, update, "CHECK constraint failed"),
        of(
            "STRICT",
            typed,
            "UPDATE t SET c = 'text'",
            "cannot store TEXT value in INT column t.c",
        ),
        of(
            "NOT NULL",
            not_null,
            "UPDATE t SET b = NULL",
            "NOT NULL constraint failed: t.b",
        ),
        of(
            "NOT NULL ON CONFLICT REPLACE",
            replacing,
            "UPDATE t SET b = NULL",
            "NOT NULL constraint failed: t.b",
        ),
    ];
    for (name, change) in [("UNIQUE, new row", insert), ("UNIQUE, live row", update)] {
        all.push(Obstacle {
            make: "CREATE UNIQUE INDEX one_a ON t(a); INSERT INTO t(k, a) VALUES (99, 'bad')"
                .to_owned(),
            remove: "DROP INDEX one_a".to_owned(),
            ..of(name, PLAIN, change, "UNIQUE constraint failed: t.a")
        });
    }
    for (name, deferred) in [
        ("FOREIGN KEY", "ON DELETE RESTRICT"),
        ("FOREIGN KEY at the end", "DEFERRABLE INITIALLY DEFERRED"),
    ] {
        all.push(Obstacle {
            make: child(deferred),
            remove: "DELETE FROM child".to_owned(),
            ..of(
                name,
                PLAIN,
                "DELETE FROM t WHERE k = 2",
                "FOREIGN KEY constraint failed",
            )
        });
    }
    all
}

fn triggers() -> Vec<Obstacle> {
    let mut all = Vec::new();
    for time in ["BEFORE", "AFTER"] {
        for (event, change) in [
            ("INSERT", "INSERT INTO t VALUES (10, 'new', 1, 1)"),
            ("UPDATE", "UPDATE t SET a = 'new' WHERE k = 1"),
            ("DELETE", "DELETE FROM t WHERE k = 2"),
            ("INSERT", "INSERT INTO t VALUES (3, 'again', 3, 3)"),
        ] {
            for raise in ["ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'", "IGNORE"] {
                all.push(Obstacle {
                    name: format!("{time} {event} RAISE({raise}), {change}"),
                    table: PLAIN,
                    make: format!(
                        "CREATE TRIGGER guard {time} {event} ON t BEGIN SELECT RAISE({raise}); END"
                    ),
                    remove: "DROP TRIGGER guard".to_owned(),
                    change,
                    mend: "",
                    text: (raise != "IGNORE").then_some("no"),
                });
            }
        }
    }
    all
}

fn replica(table: &str) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", table);
    connection
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql)
}

fn give(connection: &Connection, way: Way, origin: &Connection, since: i64) -> Result<()> {
    match way {
        Way::Rows => crate::support::try_merge(connection, &changes(origin, since)),
        Way::Statement => {
            exec(
                connection,
                "CREATE TEMP TABLE IF NOT EXISTS given(c0, c1, c2, c3, c4, c5, c6, c7, c8); DELETE FROM given",
            );
            let mut put =
                connection.prepare("INSERT INTO given VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
            for c in changes(origin, since) {
                put.execute(params![
                    c.table,
                    c.pk,
                    c.cid,
                    c.val,
                    c.col_version,
                    c.db_version,
                    c.site_id,
                    c.cl,
                    c.seq
                ])?;
            }
            run(connection, "INSERT INTO crsql_changes SELECT * FROM given")
        }
        Way::Changeset => {
            let data: Vec<u8> =
                origin.query_row("SELECT crsql_changeset(?1)", [since], |row| row.get(0))?;
            connection.query_row("SELECT crsql_apply(?1)", [data], |_| Ok(()))
        }
        Way::Reconcile => {
            let mut message: Option<Vec<u8>> = Some(one(origin, "SELECT crsql_reconcile()"));
            let mut listeners = [connection, origin].into_iter().cycle();
            while let Some(said) = message {
                let listener = listeners.next().expect("a listener");
                message =
                    listener.query_row("SELECT crsql_reconcile(?1)", [said], |row| row.get(0))?;
            }
            Ok(())
        }
    }
}

fn count(connection: &Connection, sql: &str) -> i64 {
    one(connection, &format!("SELECT count(*) FROM {sql}"))
}

/// Everything is recorded that is in the tables, and a local write is.
fn assert_sound(connection: &Connection, context: &str) {
    assert_eq!(
        one::<i64>(connection, "SELECT crsql_internal_sync_bit()"),
        0,
        "{context}"
    );
    let problems = rows(connection, "SELECT * FROM crsql_check");
    assert!(problems.is_empty(), "{context}: {problems:?}");
    let before = count(connection, "crsql_changes WHERE \"table\" = 'own'");
    exec(connection, "INSERT INTO own(a) VALUES ('local')");
    let after = count(connection, "crsql_changes WHERE \"table\" = 'own'");
    assert_eq!(after, before + 1, "a local write after {context}");
    drop(check_partial(connection, &["t", "own"]));
}

/// Gives the change, and says how it went.
fn meet(obstacle: &Obstacle, way: Way, is_explicit: bool) {
    let context = format!("{} by {way:?}, explicit {is_explicit}", obstacle.name);
    let (origin, here) = (replica(PLAIN), replica(obstacle.table));
    for side in [&origin, &here] {
        create_crr(side, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
    }
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'two', 2, 2), (3, 'three', 3, 3); DELETE FROM t WHERE k = 3",
    );
    merge(&here, &changes(&origin, 0));
    let since = one(&origin, "SELECT crsql_db_version()");
    exec(&here, &obstacle.make);
    exec(&origin, obstacle.change);
    let before = (rows(&here, "SELECT * FROM t"), changes(&here, 0));
    if is_explicit {
        exec(&here, "BEGIN; INSERT INTO own(a) VALUES ('earlier')");
    }
    let mut outcome = give(&here, way, &origin, since);
    let ends_transaction = obstacle.name.contains("ROLLBACK");
    if is_explicit && !(ends_transaction && outcome.is_err()) {
        assert!(!here.is_autocommit(), "{context} ended the transaction");
        exec(&here, "INSERT INTO own(a) VALUES ('later')");
        if let Err(error) = run(&here, "COMMIT") {
            // A deferred constraint.
            assert!(outcome.is_ok(), "{context}: {error}");
            outcome = Err(error);
            exec(&here, "ROLLBACK");
        } else {
            assert_eq!(count(&here, "own"), 2, "{context}: work of the transaction");
        }
    }
    assert!(here.is_autocommit(), "{context} left a transaction open");
    check_outcome(obstacle, &outcome, &context);
    if outcome.is_err() && !is_explicit && way != Way::Rows {
        let after = (rows(&here, "SELECT * FROM t"), changes(&here, 0));
        assert_eq!(after, before, "left behind by {context}");
    }
    assert_sound(&here, &context);

    exec(&here, &obstacle.remove);
    exec(&origin, obstacle.mend);
    give(&here, way, &origin, since)
        .unwrap_or_else(|error| panic!("{context}, once removed: {error}"));
    merge(&origin, &changes(&here, 0));
    assert_same(&origin, &here, &["t", "own"], &context);
    assert_sound(&here, &context);
}

fn check_outcome(obstacle: &Obstacle, outcome: &Result<(), Error>, context: &str) {
    match (outcome, obstacle.text) {
        (Ok(()), None) => {}
        (Err(error), Some(text)) => {
            let found = text_of(error);
            assert!(found.contains(text), "{context}: {found}");
        }
        (outcome, _) => panic!("{context}: {outcome:?}"),
    }
}

fn meet_in_all_ways(obstacles: &[Obstacle]) {
    for obstacle in obstacles {
        for way in WAYS {
            for is_explicit in [false, true] {
                meet(obstacle, way, is_explicit);
            }
        }
    }
}

/// The rows that are refused, among many that are not.
const REFUSED_IN_BULK: [i64; 5] = [1, 2, 150, 151, 300];

const PLAIN_WITH_ANY_KEY: &str = "CREATE TABLE t(k PRIMARY KEY NOT NULL, a, b, c)";

/// The sender's table and the receiver's, which takes no fractions in `c`, and what its error says.
const TABLES_IN_BULK: [(&str, &str, &str); 4] = [
    (
        PLAIN,
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a ANY, b ANY, c INT) STRICT",
        "cannot store REAL value in INT column t.c",
    ),
    (
        PLAIN_WITH_ANY_KEY,
        "CREATE TABLE t(k ANY PRIMARY KEY NOT NULL, a ANY, b ANY, c INT) STRICT, WITHOUT ROWID",
        "cannot store REAL value in INT column t.c",
    ),
    (
        PLAIN_WITH_ANY_KEY,
        "CREATE TABLE t(k ANY PRIMARY KEY NOT NULL, a ANY, b ANY, c INT NOT NULL ON CONFLICT IGNORE DEFAULT 3) STRICT",
        "cannot store REAL value in INT column t.c",
    ),
    (
        PLAIN_WITH_ANY_KEY,
        "CREATE TABLE t(k PRIMARY KEY NOT NULL, a, b, c CHECK (typeof(c) <> 'real'))",
        "CHECK constraint failed",
    ),
];

/// So many rows a changeset has that is merged by statements of many rows.
fn rows_in_bulk(way: Way) -> i64 {
    match way {
        Way::Changeset => 2100,
        _ => 320,
    }
}

/// A database that wrote rows, some of which the other one can't take.
fn bulk(table: &str, way: Way) -> Connection {
    let origin = replica(table);
    create_crr(&origin, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
    exec(
        &origin,
        &format!(
            "WITH n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {})
             INSERT INTO t SELECT k, k, k, iif(k IN (1, 2, 150, 151, 300), 0.5, k) FROM n",
            rows_in_bulk(way)
        ),
    );
    origin
}

/// A STRICT table ends a statement of many rows by its type error with some of them in, and says that none is. What was
/// refused was not looked up then: it may be there, and win.
#[test]
fn refused_rows_among_others_that_lose_are_passed_over() {
    // The last one has no record of its clock, so that what comes is taken for new.
    let here_first = [
        "INSERT INTO t VALUES (?1, 0, 0, 0); UPDATE t SET a = 1, b = 1, c = 1 WHERE k = ?1; \
         UPDATE t SET a = -2, b = -2, c = -2 WHERE k = ?1",
        "INSERT INTO t VALUES (?1, 0, 0, 0); DELETE FROM t WHERE k = ?1",
        "INSERT INTO t VALUES (?1, 10000, 10000, 10000)",
    ];
    for (there, table, _) in TABLES_IN_BULK {
        for way in WAYS {
            for first in here_first {
                let context = format!("{table} by {way:?}, {first}");
                let (origin, here) = (bulk(there, way), replica(table));
                create_crr(&here, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
                for k in REFUSED_IN_BULK {
                    exec(&here, &first.replace("?1", &k.to_string()));
                }
                give(&here, way, &origin, 0).unwrap_or_else(|error| panic!("{context}: {error}"));
                let fitting = count(&here, "t WHERE c = k AND a = k");
                assert_eq!(fitting, rows_in_bulk(way) - 5, "{context}");
                assert_sound(&here, &context);
                merge(&origin, &changes(&here, 0));
                assert_same(&origin, &here, &["t", "own"], &context);
            }
        }
    }
}

#[test]
fn refused_rows_among_others_refuse_the_whole() {
    for (there, table, text) in TABLES_IN_BULK {
        for way in WAYS {
            let context = format!("{table} by {way:?}");
            let (origin, here) = (bulk(there, way), replica(table));
            create_crr(&here, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
            let error = give(&here, way, &origin, 0).expect_err(&context);
            let found = text_of(&error);
            assert!(found.contains(text), "{context}: {found}");
            assert!(here.is_autocommit(), "{context}");
            if way != Way::Rows {
                assert_eq!(count(&here, "t"), 0, "{context}");
                assert_eq!(changes(&here, 0).len(), 0, "{context}");
            }
            assert_sound(&here, &context);
            exec(&origin, "UPDATE t SET c = k");
            give(&here, way, &origin, 0).unwrap_or_else(|error| panic!("{context}: {error}"));
            merge(&origin, &changes(&here, 0));
            assert_same(&origin, &here, &["t", "own"], &context);
            assert_sound(&here, &context);
        }
    }
}

#[test]
fn constraints_of_the_table() {
    meet_in_all_ways(&constraints());
}

#[test]
fn triggers_that_raise() {
    meet_in_all_ways(&triggers());
}

/// A row that was refused was looked up, as it may be there and win. Where a trigger had refused it with RAISE(ROLLBACK),
/// there was no transaction any more: the rows that followed were written without clocks, and that of the application was
/// gone without an error.
#[test]
fn a_trigger_that_rolls_back_ends_the_merge() {
    for way in WAYS {
        for is_explicit in [false, true] {
            let context = format!("{way:?}, explicit {is_explicit}");
            let (origin, here) = (replica(PLAIN), replica(PLAIN));
            for side in [&origin, &here] {
                create_crr(side, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
            }
            exec(
                &origin,
                "INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'bad', 2, 2), (3, 'three', 3, 3), (4, 'four', 4, 4)",
            );
            exec(
                &here,
                "INSERT INTO t VALUES (2, 'zzz', 9, 9);
                 CREATE TRIGGER guard BEFORE INSERT ON t WHEN new.a = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
            );
            if is_explicit {
                exec(&here, "BEGIN; INSERT INTO own(a) VALUES ('earlier')");
            }
            let outcome = give(&here, way, &origin, 0);
            assert_eq!(
                outcome.is_ok(),
                !here.is_autocommit() || !is_explicit && count(&here, "t") == 4,
                "{context}: {outcome:?}"
            );
            if let Err(error) = &outcome {
                let found = text_of(error);
                assert!(found.contains(": no"), "{context}: {found}");
            }
            if !here.is_autocommit() {
                exec(&here, "COMMIT");
                assert_eq!(count(&here, "own"), 1, "{context}");
            }
            assert_sound(&here, &context);
            exec(&here, "DROP TRIGGER guard");
            give(&here, way, &origin, 0).unwrap_or_else(|error| panic!("{context}: {error}"));
            merge(&origin, &changes(&here, 0));
            assert_same(&origin, &here, &["t", "own"], &context);
        }
    }
}

/// A change that waited for its column was refused by RAISE(ROLLBACK), which was noted as a refusal among others: the
/// transaction of the application was gone, and its merge succeeded.
#[test]
fn a_trigger_that_rolls_back_ends_the_merge_of_what_waited() {
    let (origin, here) = (replica(PLAIN), replica(PLAIN));
    for side in [&origin, &here] {
        create_crr(side, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
    }
    exec(
        &origin,
        "INSERT INTO t(k) VALUES (1), (2), (3); ALTER TABLE t ADD COLUMN d;
         UPDATE t SET d = 'fine' WHERE k = 1; UPDATE t SET d = 'bad' WHERE k = 2; UPDATE t SET d = 'fine' WHERE k = 3",
    );
    merge(&here, &changes(&origin, 0));
    let since = one(&origin, "SELECT crsql_db_version()");
    exec(&origin, "UPDATE t SET a = 'later'");
    exec(
        &here,
        "ALTER TABLE t ADD COLUMN d;
         CREATE TRIGGER guard BEFORE UPDATE ON t WHEN new.d = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no'); END;
         BEGIN; INSERT INTO own(a) VALUES ('earlier')",
    );
    let error = give(&here, Way::Statement, &origin, since).expect_err("the trigger's error");
    assert!(text_of(&error).contains(": no"), "{error}");
    assert!(here.is_autocommit());
    assert_eq!(count(&here, "own") + count(&here, "t WHERE a = 'later'"), 0);
    assert_sound(&here, "what waited");
    exec(&here, "DROP TRIGGER guard");
    give(&here, Way::Statement, &origin, since).expect("a merge without the trigger");
    merge(&origin, &changes(&here, 0));
    assert_same(&origin, &here, &["t", "own"], "what waited");
}

/// An AFTER trigger that raises IGNORE or FAIL keeps the row and skips the triggers behind it. Those made last
/// run first, so it must be older than ours: made before the table is replicated, or in a session.
#[test]
fn local_writes_that_a_trigger_keeps_and_cuts_short_are_recorded() {
    for raise in ["IGNORE", "FAIL, 'no'"] {
        let triggers = format!(
            "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT RAISE({raise}); END;
             CREATE TRIGGER u AFTER UPDATE ON t BEGIN SELECT RAISE({raise}); END;
             CREATE TRIGGER d AFTER DELETE ON t BEGIN SELECT RAISE({raise}); END;"
        );
        let in_session =
            format!("SELECT crsql_begin_alter('t'); {triggers} SELECT crsql_commit_alter('t')");
        let orders = [
            format!("{PLAIN}; {triggers} SELECT crsql_as_crr('t')"),
            format!("{PLAIN}; SELECT crsql_as_crr('t'); {in_session}"),
        ];
        for order in orders {
            let here = open_memory();
            create_crr(&here, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
            exec(&here, &order);
            for write in [
                "INSERT INTO t VALUES (1, 1, 1, 1)",
                "INSERT INTO t VALUES (2, 2, 2, 2)",
                "UPDATE t SET a = 'written' WHERE k = 1",
                "UPDATE t SET k = 3 WHERE k = 1",
                "DELETE FROM t WHERE k = 2",
            ] {
                assert_eq!(run(&here, write).is_err(), raise != "IGNORE", "{write}");
            }
            assert_eq!(one::<String>(&here, "SELECT a FROM t"), "written");
            assert_sound(&here, &order);
        }
        // Younger than ours: the limit that docs/compatibility.md names, and its remedy.
        let here = replica(PLAIN);
        create_crr(&here, "own", "CREATE TABLE own(k INTEGER PRIMARY KEY, a)");
        exec(&here, &triggers);
        let written = run(&here, "INSERT INTO t VALUES (1, 1, 1, 1)");
        assert_eq!(written.is_err(), raise != "IGNORE");
        let problem: String = one(&here, "SELECT problem FROM crsql_check");
        assert_eq!(problem, "row not recorded");
        assert_eq!(one::<i64>(&here, "SELECT crsql_adopt('t')"), 1);
        assert_sound(&here, "adopted");
    }
}

/// The row holds the incoming value already when the change is recorded, which is no reason to take it for known.
#[test]
fn a_tie_that_a_trigger_cut_short_reaches_followers() {
    let (origin, here) = (replica(PLAIN), replica(PLAIN));
    exec(&origin, "INSERT INTO t VALUES (1, 'larger', 1, 1)");
    exec(
        &here,
        "INSERT INTO t VALUES (1, 'a', 1, 1);
         CREATE TRIGGER guard AFTER UPDATE ON t BEGIN SELECT RAISE(FAIL, 'no'); END",
    );
    let mut follower = Follower::new(&here, &["t"]);
    follower.pull(&here, "the start");
    exec(&here, "BEGIN");
    give(&here, Way::Rows, &origin, 0).expect_err("the trigger");
    exec(&here, "COMMIT");
    assert_eq!(one::<String>(&here, "SELECT a FROM t"), "larger");
    assert_eq!(follower.pull(&here, "the tie"), 1);
}
