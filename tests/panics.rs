//! A panic in any callback is an SQL error, and does no harm: the process lives, the connection goes on, and what the
//! statement did is there whole or not at all.
//!
//! The extension is the debug build that cargo makes for this test: releases have no way to ask for a panic. A scenario runs once to count the
//! callbacks, then again and again with a panic in another one, before or after it did its work. `CRSQL_PANICS=all` tries
//! every callback; otherwise the first few of each kind in each part of the scenario.
#![cfg(debug_assertions)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "panics/library.rs"]
mod library;

use std::collections::BTreeMap;

use library::{Library, Moment, TEXT};
use rusqlite::{Connection, params};

/// How many callbacks of one kind are tried in each part.
const EACH: usize = 2;

/// Every callback that SQLite can make here; functions are called by their own names.
const CALLBACKS: [&str; 24] = [
    "sqlite3_crsql_init",
    "xBegin",
    "xBestIndex",
    "xClose",
    "xColumn",
    "xCommit",
    "xConnect",
    "xCreate",
    "xDestroy",
    "xDestroy of a function",
    "xDestroy of a module",
    "xDisconnect",
    "xEof",
    "xFilter",
    "xNext",
    "xOpen",
    "xRelease",
    "xRename",
    "xRollback",
    "xRollbackTo",
    "xRowid",
    "xSavepoint",
    "xSync",
    "xUpdate",
];

/// SQLite takes no answer from these, or is told that all went well: a panic in them is not reported.
const SILENT: [&str; 6] = [
    "xClose",
    "xCommit",
    "xDestroy of a function",
    "xDestroy of a module",
    "xDisconnect",
    "xRollback",
];

/// SQLite takes the code of an error from these, and not its text: "unknown error", or what comes of it.
const WITHOUT_TEXT: [&str; 4] = ["xDestroy", "xRelease", "xRollbackTo", "xSavepoint"];

/// The one statement of the scenario that is refused names this.
const REFUSED: &str = "geese_schema";

const SCHEMA: &str = "
CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b);
CREATE TABLE w(k TEXT NOT NULL, n NOT NULL, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
SELECT crsql_as_crr('t'), crsql_as_crr('w');
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
UPDATE t SET a = 'changed' WHERE id = 2; DELETE FROM t WHERE id = 3;
INSERT INTO w VALUES ('a', 1, 'x'), ('b', 2, 'y');";

/// The parts of the scenario: one statement, or a transaction.
const PARTS: [&[&str]; 18] = [
    &["INSERT INTO t VALUES (10, 'ten', 10), (11, 'eleven', 11)"],
    &["UPDATE t SET a = 'updated' WHERE id <= 2"],
    &["UPDATE t SET id = 20 WHERE id = 10"],
    &["DELETE FROM t WHERE id = 11"],
    &["INSERT OR REPLACE INTO w VALUES ('a', 1, 'replaced'), ('c', 3, 'z')"],
    &[
        "BEGIN",
        "INSERT INTO t VALUES (30, 'thirty', 30)",
        "SAVEPOINT s",
        "UPDATE t SET a = 'undone' WHERE id = 30",
        "DELETE FROM w WHERE k = 'b'",
        "ROLLBACK TO s",
        "INSERT INTO w VALUES ('d', 4, 'kept')",
        "RELEASE s",
        "UPDATE t SET b = 31 WHERE id = 30",
        "COMMIT",
    ],
    &["BEGIN", "UPDATE t SET a = 'gone'", "ROLLBACK"],
    &[
        "SELECT *, rowid FROM crsql_changes WHERE db_version > 0 AND site_id IS NOT x'00'",
    ],
    &[
        "INSERT INTO crsql_changes VALUES ('t', x'010932', 'a', 'merged', 1, 5, x'07', 1, 0),
         ('t', x'010901', 'a', 'won', 9, 5, x'07', 1, 1), ('t', x'010902', '-1', NULL, 2, 5, x'07', 2, 2)",
    ],
    &["SELECT crsql_apply(inbox.data) FROM inbox"],
    &["SELECT crsql_reconcile(inbox.message) FROM inbox"],
    &["SELECT length(crsql_changeset(0)), crsql_digest(), crsql_uuid(), crsql_db_version(), crsql_sha()"],
    &[
        "SELECT count(*) FROM crsql_check UNION ALL SELECT count(*) FROM crsql_status
         UNION ALL SELECT count(*) FROM crsql_changesets(0, NULL, 100)
         UNION ALL SELECT count(*) FROM crsql_changeset_rows((SELECT data FROM inbox))
         UNION ALL SELECT count(*) FROM crsql_unpack_columns(x'010901')",
    ],
    &["CREATE VIRTUAL TABLE ducks_schema USING clset(id PRIMARY KEY NOT NULL, name)"],
    &["INSERT INTO ducks VALUES (1, 'Anna')"],
    &["ALTER TABLE ducks_schema RENAME TO geese_schema"],
    &["DROP TABLE ducks_schema"],
    &[
        "BEGIN",
        "SELECT crsql_begin_alter('t')",
        "ALTER TABLE t ADD COLUMN c DEFAULT 7",
        "SELECT crsql_commit_alter('t')",
        "UPDATE t SET c = 8 WHERE id = 1",
        "COMMIT",
    ],
];

struct Fixture {
    library: Library,
    /// The database that every run begins with
    image: Vec<u8>,
}

impl Fixture {
    fn new() -> Fixture {
        let library = Library::open();
        let load = |connection: &Connection| library.load(connection);
        let mut connection = Connection::open_in_memory().expect("open");
        load(&connection).expect("load");
        connection.execute_batch(SCHEMA).expect("the schema");
        let peer = Connection::open_in_memory().expect("open");
        load(&peer).expect("load");
        peer.execute_batch(SCHEMA).expect("the schema");
        peer.execute_batch(
            "UPDATE t SET b = 'peer'; INSERT INTO t VALUES (40, 4, 4); DELETE FROM w WHERE k = 'a'",
        )
        .expect("writes of the peer");
        let query = "SELECT crsql_changeset(0), crsql_reconcile(crsql_reconcile())";
        let (data, _): (Vec<u8>, Option<Vec<u8>>) = peer
            .query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("what the peer says");
        let message: Vec<u8> = peer
            .query_row("SELECT crsql_reconcile()", [], |row| row.get(0))
            .expect("a message");
        connection
            .execute_batch("CREATE TABLE inbox(data, message)")
            .expect("a table");
        connection
            .execute("INSERT INTO inbox VALUES (?1, ?2)", params![data, message])
            .expect("a row");
        let image = connection.serialize("main").expect("bytes").to_vec();
        Fixture { library, image }
    }

    fn open(&self) -> Connection {
        let mut connection = Connection::open_in_memory().expect("open");
        connection
            .deserialize_read_exact("main", &self.image[..], self.image.len(), false)
            .expect("the database");
        connection
    }
}

/// What became of one run.
#[derive(Debug, Default)]
struct Run {
    /// For each part, which of its statements went well; none where the part was rolled back
    done: Vec<Vec<bool>>,
    errors: Vec<String>,
    /// The number of callbacks at the beginning of each part
    starts: Vec<usize>,
}

fn give(connection: &Connection, sql: &str) -> Result<(), String> {
    let run = || {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    run().map_err(|error: rusqlite::Error| error.to_string())
}

/// An application that goes on after every error, unless it ended the transaction.
fn part(connection: &Connection, statements: &[&str], run: &mut Run) {
    let mut done = Vec::new();
    for statement in statements {
        let outcome = give(connection, statement);
        let is_commit = *statement == "COMMIT";
        done.push(outcome.is_ok());
        if let Err(error) = outcome {
            run.errors.push(format!("{statement}: {error}"));
            let is_over = statements.len() > 1 && connection.is_autocommit();
            if is_commit || is_over {
                done = vec![false; statements.len()];
                break;
            }
        }
    }
    if !connection.is_autocommit() {
        give(connection, "ROLLBACK").expect("a rollback");
        done.fill(false);
    }
    run.done.push(done);
}

fn another_connection(library: &Library, run: &mut Run) {
    let other = Connection::open_in_memory().expect("open");
    let outcome = library
        .load(&other)
        .map_err(|error| error.to_string())
        .and_then(|()| give(&other, "SELECT crsql_site_id() FROM crsql_check"));
    if let Err(error) = outcome {
        run.errors.push(error);
        library
            .load(&other)
            .expect("loading after a load that failed");
        give(&other, "SELECT crsql_site_id() FROM crsql_check").expect("a connection that works");
    }
    other.close().expect("close");
}

fn scenario(library: &Library, connection: &Connection) -> Run {
    let mut run = Run::default();
    for statements in PARTS {
        run.starts.push(library.met());
        part(connection, statements, &mut run);
    }
    run.starts.push(library.met());
    another_connection(library, &mut run);
    run.starts.push(library.met());
    run
}

fn digest(connection: &Connection) -> Vec<u8> {
    connection
        .query_row("SELECT crsql_digest()", [], |row| row.get(0))
        .expect("a digest")
}

/// What the statements that went well make of the database; none if they can't do without the others.
fn expected(fixture: &Fixture, done: &[Vec<bool>]) -> Option<Vec<u8>> {
    let connection = fixture.open();
    fixture.library.load(&connection).expect("load");
    for (statements, done) in PARTS.iter().zip(done) {
        for (statement, done) in statements.iter().zip(done) {
            if *done {
                give(&connection, statement).ok()?;
            }
        }
    }
    Some(digest(&connection))
}

/// The first statement that failed counts as done, but for the one that always does.
fn with_first_failure(mut done: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
    let statements = PARTS.iter().copied().flatten();
    let mut failed = statements
        .zip(done.iter_mut().flatten())
        .filter(|(statement, done)| !**done && !statement.contains(REFUSED));
    if let Some((_, first)) = failed.next() {
        *first = true;
    }
    done
}

fn assert_usable(connection: &Connection, context: &str) {
    let text = |sql: &str| -> String {
        let answer = connection.query_row(sql, [], |row| row.get(0));
        answer.unwrap_or_else(|error| panic!("{context}: {sql}: {error}"))
    };
    assert_eq!(text("PRAGMA integrity_check"), "ok", "{context}");
    let problems =
        "SELECT count(*) || ' ' || coalesce(group_concat(c.problem || ' ' || c.detail), '')
                    FROM crsql_check AS c";
    assert_eq!(text(problems), "0 ", "{context}");
    let count = "SELECT count(*) || '' FROM crsql_changes";
    let before = text(count);
    give(connection, "INSERT INTO w VALUES ('after', 9, 9)").expect("a write");
    assert_ne!(text(count), before, "{context}: the write was not recorded");
    give(connection, "DELETE FROM w WHERE k = 'after'").expect("a write");
}

#[test]
fn a_panic_in_any_callback_is_an_error_and_does_no_harm() {
    let fixture = Fixture::new();
    let (names, starts) = recorded(&fixture);
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    let mut digests: BTreeMap<Vec<Vec<bool>>, Option<Vec<u8>>> = BTreeMap::new();
    let each = match std::env::var("CRSQL_PANICS").as_deref() {
        Ok("all") => usize::MAX,
        _ => EACH,
    };
    for (place, name) in names.iter().enumerate() {
        let part = starts.iter().filter(|start| **start <= place).count();
        let from = part.checked_sub(1).map_or(0, |part| starts[part]);
        let earlier = names[from..place]
            .iter()
            .filter(|other| *other == name)
            .count();
        if earlier >= each {
            continue;
        }
        for moment in [Moment::Before, Moment::After] {
            let context = format!("{name}, callback {place}, {moment:?}");
            *tried.entry(name).or_default() += 1;
            let Some((connection, run)) = panicking(&fixture, (place, moment), name, &context)
            else {
                continue;
            };
            let mut is_state_of = |done: Vec<Vec<bool>>| {
                let wanted = digests
                    .entry(done)
                    .or_insert_with_key(|done| expected(&fixture, done));
                wanted.as_ref() == Some(&digest(&connection))
            };
            // A function that committed its work, or whose SELECT SQLite does not undo, can't take it back.
            let is_fitting = is_state_of(run.done.clone())
                || moment == Moment::After && is_state_of(with_first_failure(run.done.clone()));
            assert!(
                is_fitting,
                "{context}: neither whole nor absent: {:?}",
                run.errors
            );
            assert_usable(&connection, &context);
            connection
                .close()
                .unwrap_or_else(|(_, error)| panic!("{context}: close: {error}"));
        }
    }
    println!("{} callbacks, panics in: {tried:?}", names.len());
    for callback in CALLBACKS {
        assert!(tried.contains_key(callback), "{callback} was never called");
    }
}

/// The names of all callbacks of the scenario, and where its parts begin.
fn recorded(fixture: &Fixture) -> (Vec<String>, Vec<usize>) {
    let connection = fixture.open();
    fixture.library.watch(None);
    fixture.library.load(&connection).expect("load");
    let run = scenario(&fixture.library, &connection);
    connection.close().expect("close");
    let errors: Vec<_> = run
        .errors
        .iter()
        .filter(|error| !error.contains(REFUSED))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    (fixture.library.watched(), run.starts)
}

/// Runs the scenario with a panic. The connection and what happened, unless the panic came while it was closed.
fn panicking(
    fixture: &Fixture,
    (place, moment): (usize, Moment),
    name: &str,
    context: &str,
) -> Option<(Connection, Run)> {
    let connection = fixture.open();
    fixture.library.watch(Some((place, moment)));
    let loaded = fixture.library.load(&connection);
    if let Err(error) = loaded {
        assert!(error.to_string().contains(TEXT), "{context}: {error}");
        fixture
            .library
            .load(&connection)
            .expect("loading after a load that failed");
    }
    let run = scenario(&fixture.library, &connection);
    if fixture.library.met() <= place {
        connection
            .close()
            .unwrap_or_else(|(_, error)| panic!("{context}: close: {error}"));
        let names = fixture.library.watched();
        assert!(
            names.len() > place,
            "{context}: there was no panic in {names:?}, {run:?}"
        );
        return None;
    }
    drop(fixture.library.watched());
    let told = format!("{name}: {TEXT}");
    let is_told = run.errors.iter().any(|error| {
        let is_without_text = WITHOUT_TEXT.contains(&name) && !error.contains(REFUSED);
        error.contains(&told) || error.ends_with("unknown error") || is_without_text
    });
    let is_loading = run.starts.first().is_some_and(|start| place < *start);
    assert!(
        is_told || is_loading || SILENT.contains(&name),
        "{context}: no error: {:?}",
        run.errors
    );
    Some((connection, run))
}

/// Releases can't be asked to panic.
#[test]
fn the_release_has_no_such_thing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/crsql.so");
    let bytes = std::fs::read(path).expect("make build");
    let is_there = bytes
        .windows(TEXT.len())
        .any(|window| window == TEXT.as_bytes());
    assert!(!is_there, "{path} can be asked to panic");
}
