//! Statements that end anywhere: interrupted, out of space, refused by a lock.
//!
//! Whatever was reached, the file is as if the statement had not been run (or, if the transaction
//! can't say that any more, it can't be committed), and the connection captures on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, ErrorCode};

use crate::checks::{check, check_partial, content, create_crr, exec, one, text_of};
use crate::support::{Change, changes, load, open, open_memory, scratch_dir, try_merge};

const CREATE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')";
const CREATE_TEXT: &str = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b DEFAULT 'd')";

/// Rows in all states: pristine, changed, deleted, in a second life.
fn prepared(create: &str) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", create);
    exec(
        &connection,
        "INSERT INTO t(k, a) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5); UPDATE t SET a = 'x' WHERE k = 2; \
         DELETE FROM t WHERE k IN (3, 4); INSERT INTO t(k, a) VALUES (4, 'again')",
    );
    connection
}

/// A peer that has the same rows and has written to them.
fn peer(create: &str) -> Connection {
    let peer = prepared(create);
    exec(
        &peer,
        "UPDATE t SET a = 'from the peer', b = 'peer'; DELETE FROM t WHERE k = 1; \
         INSERT INTO t(k, a) VALUES (3, 'life'), (9, 9); UPDATE t SET k = 10 WHERE k = 5",
    );
    peer
}

/// What the peer sends.
fn incoming(create: &str) -> Vec<Change> {
    changes(&peer(create), 0)
}

/// The same as one statement.
fn incoming_statement(create: &str) -> String {
    let rows: String = one(
        &peer(create),
        "SELECT group_concat(format('(%Q, %s, %Q, %s, %d, %d, %s, %d, %d)', \"table\", quote(pk), cid, quote(val), \
         col_version, db_version, quote(site_id), cl, seq)) FROM crsql_changes",
    );
    format!("INSERT INTO crsql_changes VALUES {rows}")
}

/// A connection whose statements stop after so many steps of SQLite's machine; 0 never stops them.
struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    fn install(connection: &mut Connection) -> Self {
        let left = Arc::new(AtomicUsize::new(0));
        let seen = left.clone();
        let burn = move || match seen.load(Ordering::SeqCst) {
            0 => false,
            1 => true,
            more => {
                seen.store(more - 1, Ordering::SeqCst);
                false
            }
        };
        connection
            .progress_handler(1, Some(burn))
            .expect("progress handler");
        Self(left)
    }

    fn light(&self, steps: usize) {
        self.0.store(steps, Ordering::SeqCst);
    }
}

type State = (Vec<String>, Vec<Change>, i64);

fn state(connection: &Connection) -> State {
    (
        content(connection, "t"),
        changes(connection, 0),
        one(connection, "SELECT crsql_db_version()"),
    )
}

/// Interrupts the work at ever later steps until it gets through; each time nothing may stay, or all
/// of it: SQLite asks once more after a commit, and then calls interrupted what is done.
fn interrupted_at_every_step(create: &str, work: &dyn Fn(&Connection) -> rusqlite::Result<()>) {
    let done = prepared(create);
    work(&done).expect("the work, uninterrupted");
    let start = || {
        let mut connection = prepared(create);
        let fuse = Fuse::install(&mut connection);
        let before = state(&connection);
        (connection, fuse, before)
    };
    let (mut connection, mut fuse, mut before) = start();
    for steps in (1..).flat_map(|step: usize| [step, step * 7]) {
        assert!(steps < 1_000_000, "the work never ends");
        fuse.light(steps);
        let outcome = work(&connection);
        fuse.light(0);
        if !connection.is_autocommit() {
            exec(&connection, "ROLLBACK");
        }
        let Err(error) = outcome else {
            break;
        };
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::OperationInterrupted),
            "{error}"
        );
        assert_eq!(
            one::<i64>(&connection, "SELECT crsql_internal_sync_bit()"),
            0,
            "after {steps} steps"
        );
        if content(&connection, "t") == content(&done, "t") {
            check_partial(&connection, &["t"]);
            (connection, fuse, before) = start();
        } else {
            assert_eq!(
                state(&connection),
                before,
                "interrupted after {steps} steps"
            );
        }
    }
    exec(&connection, "INSERT INTO t(k, a) VALUES (50, 'after')");
    check_partial(&connection, &["t"]);
}

#[test]
fn interrupted_capture() {
    for create in [CREATE, CREATE_TEXT] {
        for sql in [
            "INSERT INTO t(k, a) VALUES (7, 7), (3, 'life')",
            "REPLACE INTO t(k, a) VALUES (1, 'r'), (2, 'r')",
            "UPDATE t SET b = 'u'",
            "UPDATE OR REPLACE t SET k = 4 WHERE k = 2",
            "DELETE FROM t",
            "BEGIN; INSERT INTO t(k, a) VALUES (7, 7); SAVEPOINT s; UPDATE t SET k = 8 WHERE k = 7; ROLLBACK TO s; DELETE FROM t WHERE k = 1; COMMIT",
        ] {
            interrupted_at_every_step(create, &|connection| connection.execute_batch(sql));
        }
    }
}

#[test]
fn interrupted_merges() {
    for create in [CREATE, CREATE_TEXT] {
        let incoming = incoming(create);
        interrupted_at_every_step(create, &|connection| {
            connection.execute_batch("BEGIN")?;
            try_merge(connection, &incoming)?;
            connection.execute_batch("COMMIT")
        });
    }
}

#[test]
fn interrupted_merges_of_many_rows_in_one_statement() {
    for create in [CREATE, CREATE_TEXT] {
        let statement = incoming_statement(create);
        interrupted_at_every_step(create, &|connection| connection.execute_batch(&statement));
        interrupted_at_every_step(create, &|connection| {
            connection.execute_batch(&format!("SAVEPOINT s; {statement}; RELEASE s"))
        });
    }
}

#[test]
fn interrupted_upgrades() {
    let schema = |connection: &Connection| {
        one::<String>(
            connection,
            "SELECT group_concat(name || sql) FROM sqlite_master",
        )
    };
    let start = || {
        let mut connection = open_memory();
        exec(&connection, CREATE);
        exec(&connection, "INSERT INTO t(k, a) VALUES (1, 1), (2, 2)");
        let fuse = Fuse::install(&mut connection);
        let before = schema(&connection);
        (connection, fuse, before)
    };
    let (mut connection, mut fuse, mut before) = start();
    for steps in (1..).step_by(23) {
        fuse.light(steps);
        let outcome = connection.query_row("SELECT crsql_as_crr('t')", [], |row| {
            row.get::<_, String>(0)
        });
        fuse.light(0);
        if outcome.is_ok() {
            break;
        }
        if !connection.is_autocommit() {
            // The handler went on interrupting what undoes the work: a ROLLBACK ends it, and leaves nothing.
            exec(&connection, "ROLLBACK");
            assert_eq!(schema(&connection), before, "after {steps} steps");
        }
        if schema(&connection) != before {
            // Interrupted after its end: then all of it is there.
            exec(&connection, "INSERT INTO t(k, a) VALUES (3, 3)");
            assert_eq!(changes(&connection, 0).len(), 6, "after {steps} steps");
            check(&connection, &["t"]);
            (connection, fuse, before) = start();
        }
    }
    exec(&connection, "INSERT INTO t(k, a) VALUES (3, 3)");
    assert_eq!(changes(&connection, 0).len(), 6);
    check(&connection, &["t"]);
}

#[test]
fn interrupted_from_another_thread() {
    let connection = open_memory();
    create_crr(&connection, "t", CREATE_TEXT);
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                INSERT INTO t(k, a) SELECT 'key ' || i, i FROM n";
    let mut ends = [0, 0];
    for round in 0..40 {
        let before: i64 = one(&connection, "SELECT crsql_db_version()");
        let handle = connection.get_interrupt_handle();
        let interrupter = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_micros(round * 150));
            handle.interrupt();
        });
        let outcome = connection.execute_batch(&format!(
            "BEGIN; {fill}; UPDATE t SET b = {round}; DELETE FROM t; {fill}; COMMIT"
        ));
        interrupter.join().expect("a thread that ends");
        if !connection.is_autocommit() {
            exec(&connection, "ROLLBACK");
        }
        ends[usize::from(outcome.is_ok())] += 1;
        let version: i64 = one(&connection, "SELECT crsql_db_version()");
        assert_eq!(
            version,
            before + i64::from(outcome.is_ok()),
            "round {round}: {outcome:?}"
        );
        exec(&connection, "DELETE FROM t WHERE k > 'key 1'");
        check(&connection, &["t"]);
        exec(&connection, "DELETE FROM t");
    }
    assert!(ends[0] > 3, "interrupted only {} times", ends[0]);
}

/// The pages that the database may still grow by; -1 lifts the limit.
fn allow_pages(connection: &Connection, more: i64) {
    let pages: i64 = one(connection, "PRAGMA page_count");
    let limit = if more < 0 { 1 << 30 } else { pages + more };
    one::<i64>(connection, &format!("PRAGMA max_page_count = {limit}"));
}

/// Ends the transaction in the only ways there are: a commit of whole work, or a refusal and a rollback.
fn commit_or_roll_back(connection: &Connection, before: &State) {
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch("COMMIT") {
        let text = text_of(&error);
        assert!(text.contains("ROLLBACK") || text.contains("full"), "{text}");
        if !connection.is_autocommit() {
            exec(connection, "ROLLBACK");
        }
        assert_eq!(
            &state(connection),
            before,
            "after a commit that was refused"
        );
    }
}

#[test]
fn a_full_database_never_keeps_half_a_change() {
    for create in [CREATE, CREATE_TEXT] {
        let mut failures = 0;
        for pages in 0..24 {
            let connection = Connection::open_in_memory().expect("open");
            exec(&connection, "PRAGMA page_size = 512");
            load(&connection).expect("load");
            create_crr(&connection, "t", create);
            exec(
                &connection,
                "INSERT INTO t(k, a) VALUES (1, zeroblob(300)), (2, 'x'); UPDATE t SET b = 'y' WHERE k = 2",
            );
            let peer = open_memory();
            create_crr(&peer, "t", create);
            exec(
                &peer,
                "INSERT INTO t(k, a) VALUES (1, zeroblob(700)), (3, 'three'), (4, zeroblob(900)), (5, zeroblob(1100)); UPDATE t SET b = zeroblob(600); DELETE FROM t WHERE k = 3",
            );
            let before = state(&connection);
            allow_pages(&connection, pages);
            exec(&connection, "BEGIN");
            for change in changes(&peer, 0) {
                let outcome = try_merge(&connection, &[change]);
                failures += usize::from(outcome.is_err());
                if connection.is_autocommit() {
                    break;
                }
            }
            failures += usize::from(
                connection
                    .execute_batch(
                        "INSERT INTO t(k, a) VALUES (20, zeroblob(400)), (21, zeroblob(400))",
                    )
                    .is_err(),
            );
            commit_or_roll_back(&connection, &before);
            allow_pages(&connection, -1);
            assert_eq!(
                one::<i64>(&connection, "SELECT crsql_internal_sync_bit()"),
                0
            );
            exec(&connection, "INSERT INTO t(k, a) VALUES (30, 'after')");
            check_partial(&connection, &["t"]);
        }
        assert!(failures > 10, "only {failures} statements met the limit");
    }
}

#[test]
fn a_lock_met_in_the_middle_of_a_merge_undoes_it() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = open(&path);
    create_crr(&connection, "t", CREATE);
    connection
        .busy_timeout(std::time::Duration::ZERO)
        .expect("no waiting");
    let incoming = incoming(CREATE);
    let reader = open(&path);
    exec(&reader, "BEGIN; SELECT count(*) FROM t");
    let before = state(&connection);
    // The reader's lock lets the transaction run, but not end.
    exec(&connection, "BEGIN");
    try_merge(&connection, &incoming).expect("merge");
    let error = connection
        .execute_batch("COMMIT")
        .expect_err("a reader is in the way");
    assert_eq!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy),
        "{error}"
    );
    // The transaction goes on after the refused commit.
    exec(
        &connection,
        "INSERT INTO t(k, a) VALUES (60, 'later'); UPDATE t SET b = 'later' WHERE k = 4",
    );
    exec(&reader, "COMMIT");
    exec(&connection, "COMMIT");
    let merged = state(&connection);
    assert_ne!(merged, before);
    check(&connection, &["t"]);
    exec(&reader, "BEGIN IMMEDIATE");
    let error = try_merge(&connection, &incoming).expect_err("another writer");
    assert_eq!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy),
        "{error}"
    );
    assert_eq!(state(&connection), merged);
    exec(&reader, "COMMIT");
}
