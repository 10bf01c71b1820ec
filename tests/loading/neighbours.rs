//! The application's own hooks, handlers, pragmas, threads and attached databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::Value;

use crate::checks::{
    Follower, check, content, create_crr, exec, literal, one, refusal, rows, upgrade,
};
use crate::support::{changes, load, merge, open, open_memory, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

#[derive(Clone, Default)]
struct Calls {
    commits: Arc<AtomicUsize>,
    rollbacks: Arc<AtomicUsize>,
    updates: Arc<AtomicUsize>,
}

impl Calls {
    fn install(&self, connection: &mut Connection) {
        let (commits, rollbacks, updates) = (
            self.commits.clone(),
            self.rollbacks.clone(),
            self.updates.clone(),
        );
        let count = |counter: &AtomicUsize| {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        connection
            .commit_hook(Some(move || {
                count(&commits);
                false
            }))
            .expect("commit hook");
        connection
            .rollback_hook(Some(move || count(&rollbacks)))
            .expect("rollback hook");
        connection
            .update_hook(Some(move |_, _: &str, table: &str, _| {
                if table == "t" {
                    count(&updates);
                }
            }))
            .expect("update hook");
    }

    fn seen(&self) -> [usize; 3] {
        [&self.commits, &self.rollbacks, &self.updates]
            .map(|counter| counter.load(Ordering::SeqCst))
    }
}

/// Three commits of one row each and a rollback, with the versions they must get.
fn three_commits(connection: &Connection, from: i64) {
    for step in 0..3 {
        exec(
            connection,
            &format!("INSERT INTO t VALUES ({}, 0, 0)", from + step),
        );
        assert_eq!(
            one::<i64>(connection, "SELECT crsql_db_version()"),
            from + step
        );
    }
    exec(
        connection,
        "BEGIN; INSERT INTO t VALUES (1000, 0, 0); ROLLBACK",
    );
    let versions: Vec<i64> = changes(connection, from - 1)
        .iter()
        .map(|change| change.db_version)
        .collect();
    assert_eq!(
        versions,
        [from, from, from + 1, from + 1, from + 2, from + 2]
    );
}

#[test]
fn hooks_installed_before_the_load_are_called_and_versions_advance() {
    let mut connection = Connection::open_in_memory().expect("open");
    let calls = Calls::default();
    calls.install(&mut connection);
    load(&connection).expect("load");
    create_crr(&connection, "t", TABLE);
    let before = calls.seen();
    three_commits(&connection, 1);
    let after = calls.seen();
    assert_eq!(
        [
            after[0] - before[0],
            after[1] - before[1],
            after[2] - before[2]
        ],
        [3, 1, 4]
    );
}

#[test]
fn hooks_replaced_and_removed_after_the_load_are_the_applications_own() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    let (first, second) = (Calls::default(), Calls::default());
    first.install(&mut connection);
    three_commits(&connection, 1);
    assert_eq!(first.seen(), [3, 1, 4]);
    second.install(&mut connection);
    three_commits(&connection, 4);
    assert_eq!((first.seen(), second.seen()), ([3, 1, 4], [3, 1, 4]));
    connection
        .commit_hook(None::<fn() -> bool>)
        .expect("remove");
    connection.rollback_hook(None::<fn()>).expect("remove");
    three_commits(&connection, 7);
    check(&connection, &["t"]);
}

#[test]
fn a_commit_hook_that_refuses_leaves_nothing_recorded() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 1, 1)");
    connection.commit_hook(Some(|| true)).expect("commit hook");
    connection
        .execute_batch("INSERT INTO t VALUES (2, 2, 2)")
        .expect_err("the hook turns it into a rollback");
    connection
        .execute_batch("UPDATE t SET a = 9")
        .expect_err("the hook turns it into a rollback");
    connection
        .commit_hook(None::<fn() -> bool>)
        .expect("remove");
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 1);
    exec(&connection, "INSERT INTO t VALUES (3, 3, 3)");
    assert_eq!(
        one::<i64>(&connection, "SELECT max(db_version) FROM crsql_changes"),
        2
    );
    check(&connection, &["t"]);
}

#[test]
fn the_applications_authorizer_stays() {
    let mut connection = Connection::open_in_memory().expect("open");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let deny = move |context: AuthContext<'_>| {
        counted.fetch_add(1, Ordering::SeqCst);
        match context.action {
            AuthAction::Read {
                table_name: "secret",
                ..
            } => Authorization::Deny,
            _ => Authorization::Allow,
        }
    };
    exec(&connection, "CREATE TABLE secret(a)");
    connection.authorizer(Some(deny)).expect("authorizer");
    load(&connection).expect("load");
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let before = calls.load(Ordering::SeqCst);
    assert_eq!(
        refusal(&connection, "SELECT a FROM secret"),
        "access to secret.a is prohibited"
    );
    assert!(calls.load(Ordering::SeqCst) > before);
    check(&connection, &["t"]);
}

#[test]
fn an_authorizer_that_forbids_our_tables_gives_an_error_and_loses_nothing() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let deny = |context: AuthContext<'_>| match context.action {
        AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. }
            if table_name.contains("crsql") =>
        {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    };
    connection.authorizer(Some(deny)).expect("authorizer");
    connection
        .execute_batch("INSERT INTO t VALUES (2, 3, 4)")
        .expect_err("capture is forbidden");
    connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .expect("remove");
    assert_eq!(content(&connection, "t").len(), 1);
    exec(&connection, "INSERT INTO t VALUES (3, 4, 5)");
    check(&connection, &["t"]);
}

#[test]
fn changes_and_last_insert_rowid_are_those_of_a_plain_table() {
    let (with, without) = (open_memory(), Connection::open_in_memory().expect("open"));
    create_crr(&with, "t", TABLE);
    create_crr(&with, "u", "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, a)");
    exec(&without, TABLE);
    exec(&without, "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, a)");
    for sql in [
        "INSERT INTO t(a) VALUES ('x'), ('y'), ('z')",
        "INSERT INTO u VALUES ('p', 1), ('q', 2)",
        "INSERT INTO t VALUES (100, 1, 1)",
        "UPDATE t SET a = 'w' WHERE k < 3",
        "UPDATE t SET k = 200 WHERE k = 100",
        "UPDATE u SET k = 'r' WHERE k = 'p'",
        "REPLACE INTO u VALUES ('q', 3), ('s', 4)",
        "REPLACE INTO t VALUES (1, 'v', 'v')",
        "INSERT OR IGNORE INTO t VALUES (1, 1, 1), (7, 7, 7)",
        "INSERT INTO u VALUES ('q', 9) ON CONFLICT DO UPDATE SET a = excluded.a",
        "DELETE FROM t WHERE k > 1",
        "DELETE FROM u",
    ] {
        let seen = [&with, &without].map(|connection| {
            exec(connection, sql);
            (
                one::<i64>(connection, "SELECT changes()"),
                one::<i64>(connection, "SELECT last_insert_rowid()"),
            )
        });
        assert_eq!(seen[0], seen[1], "{sql}");
    }
    check(&with, &["t", "u"]);
}

#[test]
fn an_untrusted_schema_captures_and_views_of_the_changes_work() {
    let connection = open_memory();
    exec(&connection, "PRAGMA trusted_schema = OFF");
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        "CREATE VIEW v AS SELECT cid, crsql_site_id() = site_id AS own FROM crsql_changes WHERE db_version <= crsql_db_version()",
    );
    exec(
        &connection,
        "CREATE TABLE plain(a); CREATE TRIGGER p AFTER INSERT ON plain WHEN crsql_internal_sync_bit() = 0 BEGIN INSERT INTO t(a) VALUES (NEW.a); END",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET k = 5; REPLACE INTO t VALUES (5, 6, 7); INSERT INTO plain VALUES (1)",
    );
    assert_eq!(one::<i64>(&connection, "SELECT min(own) FROM v"), 1);
    let replica = check(&connection, &["t"]);
    exec(
        &replica,
        "PRAGMA trusted_schema = OFF; UPDATE t SET a = 'there'",
    );
    merge(&connection, &changes(&replica, 0));
    assert_eq!(
        one::<String>(&connection, "SELECT a FROM t WHERE k = 5"),
        "there"
    );
}

#[test]
fn recursive_triggers_turn_a_replace_into_delete_and_insert() {
    let connection = open_memory();
    exec(&connection, "PRAGMA recursive_triggers = ON");
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); REPLACE INTO t VALUES (1, 4, 5)",
    );
    let seen: Vec<_> = changes(&connection, 0)
        .into_iter()
        .map(|change| (change.cid, change.col_version, change.cl))
        .collect();
    assert_eq!(
        seen,
        [("-1".into(), 3, 3), ("a".into(), 1, 3), ("b".into(), 1, 3)]
    );
    check(&connection, &["t"]);
}

#[test]
fn pragmas_of_every_kind_survive_a_merge() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(&origin, "INSERT INTO t VALUES (1, 2, 3)");
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    let pragmas = [
        "recursive_triggers",
        "foreign_keys",
        "defer_foreign_keys",
        "count_changes",
        "reverse_unordered_selects",
        "query_only",
        "ignore_check_constraints",
        "cell_size_check",
        "legacy_alter_table",
        "trusted_schema",
    ];
    let values = || pragmas.map(|pragma| one::<i64>(&connection, &format!("PRAGMA {pragma}")));
    exec(
        &connection,
        "PRAGMA recursive_triggers = 1; PRAGMA foreign_keys = 0; PRAGMA reverse_unordered_selects = 1; PRAGMA count_changes = 1",
    );
    let before = values();
    // With count_changes every write answers a row, those of the extension's own statements too.
    exec(&connection, "BEGIN");
    for change in changes(&origin, 0) {
        let cid = literal(&change.cid);
        let merged = rows(
            &connection,
            &format!(
                "INSERT INTO crsql_changes VALUES ('t', x'010901', {cid}, 5, 1, 1, x'07', 1, 0)"
            ),
        );
        assert_eq!(merged, [[Value::Integer(1)]]);
    }
    rows(&connection, "UPDATE t SET k = 7");
    exec(&connection, "COMMIT");
    assert_eq!(values(), before);
    exec(&connection, "PRAGMA count_changes = 0");
    check(&connection, &["t"]);
}

#[test]
fn the_applications_busy_handler_waits_for_the_lock() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let mut connection = open(&path);
    create_crr(&connection, "t", TABLE);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    connection
        .busy_handler(Some(|_| {
            CALLS.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            true
        }))
        .expect("busy handler");
    load(&connection).expect("load again");
    let (locked, is_locked) = std::sync::mpsc::channel();
    let blocker = {
        let path = path.clone();
        std::thread::spawn(move || {
            let blocker = open(&path);
            exec(&blocker, "BEGIN IMMEDIATE; INSERT INTO t VALUES (50, 0, 0)");
            locked.send(()).expect("tell");
            std::thread::sleep(Duration::from_millis(60));
            exec(&blocker, "COMMIT");
        })
    };
    is_locked.recv().expect("the lock is taken");
    exec(&connection, "INSERT INTO t VALUES (1, 0, 0)");
    blocker.join().expect("the blocker ends");
    assert!(CALLS.load(Ordering::SeqCst) > 0);
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 2);
    check(&connection, &["t"]);
}

#[test]
fn a_busy_write_is_an_error_of_sqlite_and_can_be_repeated() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let (first, second) = (open(&path), open(&path));
    create_crr(&first, "t", TABLE);
    second.busy_timeout(Duration::ZERO).expect("no waiting");
    exec(&first, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1, 1, 1)");
    let write = "INSERT INTO t VALUES (2, 2, 2)";
    let error = second.execute_batch(write).expect_err("locked");
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy),
        "{error}"
    );
    exec(&first, "COMMIT");
    exec(&second, write);
    assert_eq!(one::<i64>(&second, "SELECT crsql_db_version()"), 2);
    check(&first, &["t"]);
}

#[test]
fn a_transaction_on_an_old_snapshot_is_refused_and_can_be_repeated() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let (first, second) = (open(&path), open(&path));
    exec(&first, "PRAGMA journal_mode = WAL");
    create_crr(&first, "t", TABLE);
    exec(
        &first,
        "BEGIN; SELECT crsql_db_version(); SELECT * FROM crsql_changes; SELECT * FROM t",
    );
    exec(&second, "INSERT INTO t VALUES (2, 2, 2)");
    let write = "INSERT INTO t VALUES (1, 1, 1)";
    let error = first.execute_batch(write).expect_err("the snapshot is old");
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy),
        "{error}"
    );
    assert_eq!(
        one::<i64>(&first, "SELECT crsql_db_version()"),
        0,
        "of the old snapshot"
    );
    exec(&first, "ROLLBACK");
    exec(
        &first,
        &format!("BEGIN; {write}; UPDATE t SET a = 3; COMMIT"),
    );
    assert_eq!(one::<i64>(&second, "SELECT crsql_db_version()"), 2);
    check(&second, &["t"]);
}

#[test]
fn connections_in_threads_never_share_a_version() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let first = open(&path);
    exec(&first, "PRAGMA journal_mode = WAL");
    create_crr(&first, "t", TABLE);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let path = path.clone();
            std::thread::spawn(move || {
                let connection = open(&path);
                connection.busy_timeout(Duration::from_secs(30)).expect("wait");
                for step in 0..50 {
                    let key = thread * 1000 + step;
                    exec(&connection, &format!("BEGIN IMMEDIATE; INSERT INTO t VALUES ({key}, {thread}, 0); UPDATE t SET b = b + 1 WHERE k % 1000 = {step}; COMMIT"));
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("a thread that ends"));
    assert_eq!(one::<i64>(&first, "SELECT crsql_db_version()"), 200);
    assert_eq!(one::<i64>(&first, "SELECT count(*) FROM t"), 200);
    check(&first, &["t"]);
}

#[test]
fn one_connection_handed_from_thread_to_thread() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    for step in 0..10 {
        connection = std::thread::spawn(move || {
            exec(&connection, &format!("INSERT INTO t VALUES ({step}, 0, 0)"));
            connection
        })
        .join()
        .expect("a thread that ends");
    }
    check(&connection, &["t"]);
}

#[test]
fn attached_databases_are_refused_and_never_written_uncaptured() {
    let directory = scratch_dir();
    let path = directory.join("other.db");
    let other = open(&path);
    create_crr(&other, "z", "CREATE TABLE z(k INTEGER PRIMARY KEY, a)");
    exec(&other, "INSERT INTO z VALUES (1, 'x')");
    let schema = rows(
        &other,
        "SELECT type, name, sql FROM sqlite_master ORDER BY name",
    );
    let mut follower = Follower::new(&other, &["z"]);
    follower.pull(&other, "the start");
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        &format!("ATTACH {} AS other", literal(path.to_str().expect("UTF-8"))),
    );
    let writes = [
        "INSERT INTO other.z VALUES (2, 'y')",
        "UPDATE other.z SET a = 'y'",
        "UPDATE other.z SET k = 9",
        "DELETE FROM other.z",
        "REPLACE INTO other.z VALUES (1, 'y')",
    ];
    for same_name_in_main in [false, true] {
        if same_name_in_main {
            create_crr(&connection, "z", "CREATE TABLE z(k INTEGER PRIMARY KEY, a)");
        }
        for sql in writes {
            assert_eq!(
                refusal(&connection, sql),
                "crsql: this replicated table is not one of the main database: its writes can be recorded only where its \
                 file is opened as main; open it on a connection of its own",
                "{sql}"
            );
            assert_eq!(content(&other, "z"), ["Integer(1)|Text(\"x\")|"], "{sql}");
        }
    }
    exec(
        &connection,
        "INSERT INTO z VALUES (7, 'main'); DETACH other",
    );
    check(&connection, &["t", "z"]);
    assert_eq!(
        rows(
            &other,
            "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        ),
        schema
    );
    exec(&other, "UPDATE z SET a = 'own'");
    assert_eq!(follower.pull(&other, "a write at home"), 1);
    check(&other, &["z"]);
}

#[test]
fn main_is_meant_whatever_temp_or_an_attached_database_is_called() {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TEMP TABLE t(x); CREATE TEMP TABLE crsql_log(x); CREATE TEMP TABLE crsql_site_id(x); CREATE TEMP TABLE crsql_master(x)",
    );
    exec(
        &connection,
        "ATTACH ':memory:' AS other; CREATE TABLE other.t(x)",
    );
    exec(
        &connection,
        "CREATE TABLE main.t(k INTEGER PRIMARY KEY, a, b)",
    );
    upgrade(&connection, "t");
    exec(
        &connection,
        "INSERT INTO main.t VALUES (1, 2, 3); UPDATE main.t SET k = 4; UPDATE main.t SET a = 5",
    );
    exec(&connection, "INSERT INTO temp.t VALUES ('not captured')");
    assert_eq!(
        one::<Value>(&connection, "SELECT val FROM crsql_changes WHERE cid = 'a'"),
        Value::Integer(5)
    );
    let there = open_memory();
    create_crr(&there, "t", TABLE);
    merge(&there, &changes(&connection, 0));
    exec(&there, "UPDATE t SET b = 'there'");
    merge(&connection, &changes(&there, 0));
    assert_eq!(
        rows(&connection, "SELECT * FROM main.t"),
        rows(&there, "SELECT * FROM t")
    );
}

#[test]
fn wal_and_rollback_journals_and_shared_memory_uris() {
    let directory = scratch_dir();
    for mode in ["delete", "truncate", "persist", "memory", "wal"] {
        let connection = open(directory.join(mode));
        assert_eq!(
            one::<String>(&connection, &format!("PRAGMA journal_mode = {mode}")),
            mode
        );
        create_crr(&connection, "t", TABLE);
        exec(
            &connection,
            "INSERT INTO t VALUES (1, 2, 3); BEGIN; UPDATE t SET a = 4; ROLLBACK; UPDATE t SET b = 4",
        );
        check(&connection, &["t"]);
    }
}
