//! `crsql_apply(changeset, max_ms)`: several transactions, each of whole transactions of the origin.

use super::support::{ScratchDir, open, scratch_dir};
use super::{apply, changeset, number, replica, rows, run, stream};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crate::crdt::changeset::{CellWrite, Origin, Part, RowHead, Writer};
use crate::crdt::value::ValueRef;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, Result};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Rows of each transaction of `origin`.
const ROWS: i64 = 50;

/// Longer than any of these takes.
const LONG: i64 = 3_600_000;

/// Applies a changeset with a limit.
pub(super) fn apply_within(connection: &Connection, changeset: &[u8], max_ms: i64) -> Result<i64> {
    let sql = "SELECT crsql_apply(?1, ?2)";
    connection.query_row(sql, (changeset, max_ms), |row| row.get(0))
}

/// A replica whose `t.b` says by which of its transactions a row was made.
fn origin(transactions: i64) -> Connection {
    let a = replica();
    for transaction in 1..=transactions {
        a.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO t SELECT ?1 * 1000 + i, hex(randomblob(8)), ?1 FROM n",
            (transaction, ROWS),
        )
        .expect("rows");
    }
    a
}

/// A replica in a file, with the path of that.
fn file(directory: &ScratchDir, journal: &str) -> (Connection, PathBuf) {
    let path = directory.join(format!("{journal}.db"));
    let b = open(&path);
    run(
        &b,
        &format!(
            "PRAGMA journal_mode = {journal}; CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b);
             SELECT crsql_as_crr('t')"
        ),
    );
    (b, path)
}

/// How many rows of how many transactions of the origin are seen; all must be whole.
fn whole_transactions(connection: &Connection) -> i64 {
    let halves = rows(
        connection,
        &format!("SELECT b, count(*) FROM t GROUP BY b HAVING count(*) <> {ROWS}"),
    );
    assert_eq!(halves, [""; 0], "half a transaction is seen");
    // None is left out either.
    let (seen, last) = (
        number(connection, "SELECT count(DISTINCT b) FROM t"),
        number(connection, "SELECT ifnull(max(b), 0) FROM t"),
    );
    assert_eq!(seen, last);
    seen
}

/// Counts commits with a hook; after `allowed` of them the hook vetoes.
fn count_commits(connection: &mut Connection, allowed: usize) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let hook = move || counted.fetch_add(1, Ordering::Relaxed) >= allowed;
    connection.commit_hook(Some(hook)).expect("a hook");
    count
}

#[test]
fn others_see_whole_transactions_only_and_progress_between_slices() {
    let a = origin(400);
    let all = changeset(&a, 0);
    let directory = scratch_dir();
    let (mut b, path) = file(&directory, "WAL");
    // At each commit another connection looks at what was committed before.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let states = Arc::clone(&seen);
    let other = open(&path);
    let hook = move || {
        states
            .lock()
            .expect("not poisoned")
            .push(whole_transactions(&other));
        false
    };
    b.commit_hook(Some(hook)).expect("a hook");
    assert_eq!(apply_within(&b, &all, 1), Ok(400 * ROWS * 2));
    b.commit_hook(None::<fn() -> bool>).expect("no hook");
    let seen = seen.lock().expect("not poisoned").clone();
    assert!(seen.len() >= 5, "{} slices", seen.len());
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(
        rows(&b, "SELECT crsql_digest()"),
        rows(&a, "SELECT crsql_digest()")
    );
    assert_eq!(number(&b, "SELECT crsql_rows_impacted()"), 0);
    // Applying it again finds nothing new.
    assert_eq!(apply_within(&b, &all, 1), Ok(0));
}

#[test]
fn a_slice_is_no_smaller_than_the_limit_asks_for() {
    let (a, mut b) = (origin(20), replica());
    let commits = count_commits(&mut b, usize::MAX);
    assert_eq!(apply_within(&b, &changeset(&a, 0), LONG), Ok(20 * ROWS * 2));
    assert_eq!(commits.load(Ordering::Relaxed), 1);
}

#[test]
fn a_large_transaction_of_the_origin_is_one_slice() {
    let (a, mut b) = (replica(), replica());
    run(
        &a,
        "INSERT INTO t VALUES (1, 'before', 0);
         WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n;
         INSERT INTO t VALUES (2, 'after', 0)",
    );
    let all = changeset(&a, 0);
    let counts = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&counts);
    b.update_hook(Some(
        move |_: rusqlite::hooks::Action, _: &str, table: &str, _| {
            if let Some(last) = noted.lock().expect("not poisoned").last_mut()
                && table == "t"
            {
                *last += 1;
            }
        },
    ))
    .expect("a hook");
    let ended = Arc::clone(&counts);
    ended.lock().expect("not poisoned").push(0);
    b.commit_hook(Some(move || {
        ended.lock().expect("not poisoned").push(0);
        false
    }))
    .expect("a hook");
    // It has several chunks.
    assert!(all.len() > 1 << 20, "{} bytes", all.len());
    assert_eq!(apply_within(&b, &all, 1), Ok(2 * 59_993));
    let counts = counts.lock().expect("not poisoned").clone();
    assert_eq!(counts, [1, 59_991, 1, 0]);
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
}

#[test]
fn slices_need_a_connection_where_nothing_runs() {
    let (a, b) = (origin(3), replica());
    let all = changeset(&a, 0);
    run(
        &b,
        "CREATE TABLE inbox(data); CREATE TEMP TABLE temp_inbox(data)",
    );
    for table in ["inbox", "temp_inbox"] {
        b.execute(&format!("INSERT INTO {table} VALUES (?1)"), [&all])
            .expect("kept");
    }
    let refused = |outcome: Result<i64>, what: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("must run outside of a transaction"),
            "{what}: {error}"
        );
        assert_eq!(number(&b, "SELECT count(*) FROM t"), 0, "{what}");
    };
    for sql in [
        "SELECT crsql_apply(data, 50) FROM inbox",
        "SELECT crsql_apply(data, 50) FROM temp_inbox",
        "SELECT crsql_apply((SELECT data FROM inbox), 50)",
        "SELECT crsql_apply(data, 50) FROM inbox, json_each('[1]')",
        "UPDATE inbox SET data = crsql_apply(data, 50) RETURNING 1",
        "INSERT INTO temp_inbox SELECT crsql_apply(data, 50) FROM temp_inbox RETURNING 1",
    ] {
        refused(b.query_row(sql, [], |row| row.get(0)), sql);
    }
    for begin in ["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT mine"] {
        run(&b, begin);
        refused(apply_within(&b, &all, 50), begin);
        run(&b, "ROLLBACK");
    }
    // A query that was not read to its end.
    let mut query = b
        .prepare("SELECT 1 FROM inbox UNION ALL SELECT 2")
        .expect("a query");
    let mut unread = query.query([]).expect("a query");
    unread.next().expect("a row");
    refused(apply_within(&b, &all, 50), "a query");
    drop(unread);
    assert_eq!(apply_within(&b, &all, 50), Ok(3 * ROWS * 2));
}

#[test]
fn arguments_are_checked() {
    let b = replica();
    let all = changeset(&b, 0);
    for limit in ["0", "-1", "1.5", "'50'", "x'50'", "3600001"] {
        let sql = format!("SELECT crsql_apply(?1, {limit})");
        let outcome: Result<i64> = b.query_row(&sql, [&all], |row| row.get(0));
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("max_ms must be an integer from 1 to 3600000"),
            "{error}"
        );
    }
    assert_eq!(rows(&b, "SELECT crsql_apply(NULL, 50)"), ["Null"]);
    // Without a limit, a transaction may be open.
    let sql = "SELECT crsql_apply(?1, NULL)";
    run(&b, "BEGIN");
    assert_eq!(b.query_row(sql, [&all], |row| row.get(0)), Ok(0));
    run(&b, "COMMIT");
    assert_eq!(apply_within(&b, &all, 50), Ok(0));
}

/// The db_version that an error says it got to.
fn reached(error: &str) -> i64 {
    let (_, rest) = error.split_once("up to db_version ").expect(error);
    let (version, rest) = rest.split_once(' ').expect(error);
    assert!(
        rest.starts_with(
            "are applied and stay, those after it are not; apply it again to go on with them: "
        ),
        "{error}"
    );
    version.parse().expect(error)
}

/// After an error, what it said is so, and applying again brings the rest.
fn check_stopped(a: &Connection, b: &Connection, all: &[u8], error: &str) {
    assert!(b.is_autocommit(), "{error}");
    let whole = whole_transactions(b);
    assert!(whole > 0 && whole == reached(error), "{whole}: {error}");
    let total = number(a, "SELECT count(*) FROM t") / ROWS;
    assert!(whole < total, "{whole}");
    assert_eq!(apply_within(b, all, LONG), Ok((total - whole) * ROWS * 2));
    assert_eq!(rows(b, "SELECT * FROM t"), rows(a, "SELECT * FROM t"));
    run(b, "INSERT INTO t VALUES (1, 1, 1)");
    assert_eq!(
        number(
            b,
            "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()"
        ),
        2,
        "writes are recorded"
    );
}

#[test]
fn what_precedes_a_refused_row_stays() {
    let a = origin(60);
    let all = changeset(&a, 0);
    let b = super::support::open_memory();
    let refuses = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&refuses);
    b.create_scalar_function(
        "allows",
        1,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        move |context| Ok(!(context.get::<i64>(0)? == 40 && asked.load(Ordering::Relaxed))),
    )
    .expect("a function");
    run(
        &b,
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b DEFAULT 0 CHECK (allows(b)));
         SELECT crsql_as_crr('t')",
    );
    let error = apply_within(&b, &all, 1).unwrap_err();
    assert_eq!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation)
    );
    let error = error.to_string();
    assert!(
        error.contains("merging into table \"t\": CHECK constraint failed"),
        "{error}"
    );
    assert!(reached(&error) < 40);
    refuses.store(false, Ordering::Relaxed);
    check_stopped(&a, &b, &all, &error);
}

#[test]
fn a_commit_hook_may_veto_a_slice() {
    let (a, mut b) = (origin(600), replica());
    let all = changeset(&a, 0);
    count_commits(&mut b, 3);
    let error = apply_within(&b, &all, 1).unwrap_err().to_string();
    b.commit_hook(None::<fn() -> bool>).expect("no hook");
    check_stopped(&a, &b, &all, &error);

    let mut b = replica();
    count_commits(&mut b, 0);
    let error = apply_within(&b, &all, 1).unwrap_err().to_string();
    assert!(!error.contains("are applied"), "{error}");
    assert!(b.is_autocommit());
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
}

#[test]
fn an_interrupt_ends_the_slice_that_is_open() {
    let a = origin(300);
    let all = changeset(&a, 0);
    let mut stopped = 0;
    for after in [1, 2, 10, 100, 700, 2000] {
        let mut b = replica();
        let commits = count_commits(&mut b, usize::MAX);
        let mut left = after;
        let handler = move || {
            left -= i64::from(commits.load(Ordering::Relaxed) >= 2);
            left <= 0
        };
        b.progress_handler(1, Some(handler)).expect("a handler");
        let outcome = apply_within(&b, &all, 1);
        b.progress_handler(0, None::<fn() -> bool>)
            .expect("no handler");
        b.commit_hook(None::<fn() -> bool>).expect("no hook");
        let error = outcome.unwrap_err();
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::OperationInterrupted)
        );
        check_stopped(&a, &b, &all, &error.to_string());
        stopped += 1;
    }
    assert_eq!(stopped, 6);
}

#[test]
fn a_locked_database_is_an_error_before_anything_is_written() {
    let a = origin(5);
    let all = changeset(&a, 0);
    let directory = scratch_dir();
    let (mut b, path) = file(&directory, "WAL");
    let other = open(&path);
    run(&other, "BEGIN IMMEDIATE");
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    b.busy_handler(Some(|_| TRIES.fetch_add(1, Ordering::Relaxed) < 3))
        .expect("a handler");
    let error = apply_within(&b, &all, 50).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    assert_eq!(
        error.to_string(),
        "crsql: database is locked; another connection is writing; call it again, and let SQLite wait: \
         PRAGMA busy_timeout = 5000"
    );
    assert_eq!(TRIES.load(Ordering::Relaxed), 4, "the handler is asked");
    assert!(b.is_autocommit());
    run(&other, "COMMIT");
    assert_eq!(apply_within(&b, &all, 50), Ok(5 * ROWS * 2));
}

/// A lock on an attached database is none of ours.
#[test]
fn attached_databases_are_not_locked() {
    let a = origin(5);
    let directory = scratch_dir();
    let (b, _) = file(&directory, "WAL");
    let (other, path) = file(&directory, "DELETE");
    b.execute("ATTACH ?1 AS other", [path.to_str()])
        .expect("attached");
    run(&other, "BEGIN IMMEDIATE");
    assert_eq!(apply_within(&b, &changeset(&a, 0), 1), Ok(5 * ROWS * 2));
}

/// A writer that waits, as SQLite does with a busy timeout, gets in before the changeset is through.
#[test]
fn waiting_writers_get_in_between_slices() {
    let a = origin(200);
    let all = changeset(&a, 0);
    let directory = scratch_dir();
    let (mut b, path) = file(&directory, "WAL");
    let (waits, waiting) = std::sync::mpsc::channel();
    let hook = move || {
        let _ = waits.send(());
        false
    };
    b.commit_hook(Some(hook)).expect("a hook");
    let writer = std::thread::spawn(move || {
        let other = open(path);
        other
            .busy_timeout(Duration::from_secs(60))
            .expect("a timeout");
        // The first slice is being committed.
        waiting.recv().expect("a commit");
        run(&other, "INSERT INTO t VALUES (1, 'mine', -1)");
        other
    });
    b.busy_timeout(Duration::from_secs(60)).expect("a timeout");
    assert_eq!(apply_within(&b, &all, 1), Ok(200 * ROWS * 2));
    b.commit_hook(None::<fn() -> bool>).expect("no hook");
    drop(writer.join().expect("written"));
    let versions = "SELECT min(db_version), max(db_version) FROM crsql_changes
                    WHERE site_id IS NOT crsql_site_id()";
    let (first, last): (i64, i64) = b
        .query_row(versions, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("versions");
    let own = number(
        &b,
        "SELECT db_version FROM crsql_changes WHERE site_id = crsql_site_id() LIMIT 1",
    );
    assert!(first < own && own < last, "{first} {own} {last}");
}

#[test]
fn parts_of_a_large_transaction_are_kept_and_applied_whole() {
    let a = origin(1);
    run(
        &a,
        "WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 13000)
         INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n",
    );
    let b = replica();
    let mut counts = Vec::new();
    for blob in stream(&a, (0, None), 20_000) {
        let before = number(&b, "SELECT count(*) FROM t");
        let won = apply_within(&b, &blob.data, 1).expect("applied");
        counts.push(number(&b, "SELECT count(*) FROM t"));
        assert_eq!(
            won,
            2 * (counts.last().copied().unwrap_or_default() - before)
        );
    }
    counts.dedup();
    assert_eq!(counts, [50, 3051]);
    assert_eq!(number(&b, "SELECT count(*) FROM crsql_parts"), 0);
}

/// A defect at the end is found before the first slice.
#[test]
fn nothing_of_a_damaged_changeset_is_applied() {
    let mut writer = Writer::new(Origin {
        site: vec![7; 16],
        after: (DbVersion(0), None),
        level: 3,
    });
    let table = writer.add_table("t", 1);
    let columns = [writer.add_column(table, "a")];
    let long = "x".repeat(1_200_000);
    // The first row fills a chunk; the last one has no causal length.
    for (version, cl) in [(1, 1), (2, 1), (3, 0)] {
        let head = RowHead {
            site: writer.site(&[7; 16]),
            version: DbVersion(version),
            seq: Seq(0),
            cl: CausalLength(cl),
        };
        let key = [ValueRef::Integer(version as i64)];
        let cell = CellWrite {
            version: ColumnVersion(1),
            offset: 0,
            value: ValueRef::Text(long.as_bytes()),
        };
        writer.push((table, &columns), head, key.into_iter(), [cell].into_iter());
    }
    let damaged = writer.finish(Position::default(), Part::Whole);
    let b = replica();
    let error = apply_within(&b, &damaged, 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "crsql: the changeset can't be used: the causal length of a row is out of range; \
         get it again from where it was made"
    );
    assert_eq!(number(&b, "SELECT count(*) FROM t"), 0);
}

/// Large changesets are applied with triggers switched off: a trigger that comes between two slices fires.
#[test]
fn triggers_made_between_slices_fire() {
    let a = origin(100);
    let all = changeset(&a, 0);
    let directory = scratch_dir();
    let (mut b, path) = file(&directory, "WAL");
    let (waits, waiting) = std::sync::mpsc::channel();
    b.commit_hook(Some(move || {
        let _ = waits.send(());
        false
    }))
    .expect("a hook");
    let writer = std::thread::spawn(move || {
        let other = open(path);
        other
            .busy_timeout(Duration::from_secs(60))
            .expect("a timeout");
        waiting.recv().expect("a commit");
        run(
            &other,
            "BEGIN IMMEDIATE; CREATE TABLE seen(id);
             INSERT INTO seen SELECT count(*) FROM t;
             CREATE TRIGGER seen AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (NEW.id); END; COMMIT",
        );
    });
    b.busy_timeout(Duration::from_secs(60)).expect("a timeout");
    assert_eq!(apply_within(&b, &all, 1), Ok(100 * ROWS * 2));
    b.commit_hook(None::<fn() -> bool>).expect("no hook");
    writer.join().expect("made");
    let before = number(&b, "SELECT id FROM seen LIMIT 1");
    assert!(before < 100 * ROWS, "{before}");
    assert_eq!(
        number(&b, "SELECT count(*) - 1 FROM seen"),
        100 * ROWS - before
    );
}

#[test]
fn changes_of_unknown_tables_wait_slice_by_slice() {
    let a = origin(60);
    let all = changeset(&a, 0);
    let mut b = super::support::open_memory();
    let commits = count_commits(&mut b, usize::MAX);
    assert_eq!(apply_within(&b, &all, 1), Ok(0));
    assert!(commits.load(Ordering::Relaxed) >= 5);
    run(
        &b,
        "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b); SELECT crsql_as_crr('t')",
    );
    assert_eq!(rows(&b, "SELECT * FROM t"), rows(&a, "SELECT * FROM t"));
    assert_eq!(apply(&b, &all), Ok(0));
}
