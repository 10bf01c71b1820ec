//! `crsql_automigrate` where the shell cannot look: transactions, several connections, replicas that migrate at
//! different times.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

use checks::{assert_same, check, check_partial, content, exec, literal, one, refusal};
use rusqlite::Connection;
use support::{changes, merge, open, open_memory, scratch_dir_with_extension};

const FIRST: &str = "
    CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a, b DEFAULT 5);
    SELECT crsql_as_crr('t');
    CREATE TABLE IF NOT EXISTS pair (x NOT NULL, y NOT NULL, v, PRIMARY KEY (y, x));
    SELECT crsql_as_crr('pair');
    CREATE INDEX IF NOT EXISTS t_by_a ON t (a);";

const SECOND: &str = "
    CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a, c TEXT NOT NULL DEFAULT 'new');
    SELECT crsql_as_crr('t');
    CREATE TABLE IF NOT EXISTS pair (x NOT NULL, y NOT NULL, w, PRIMARY KEY (y, x));
    SELECT crsql_as_crr('pair');
    CREATE TABLE IF NOT EXISTS fresh (id BLOB PRIMARY KEY NOT NULL DEFAULT (crsql_uuid_blob()), v);
    SELECT crsql_as_crr('fresh');
    CREATE INDEX IF NOT EXISTS t_by_a ON t (a, c);";

fn call(schema: &str) -> String {
    format!("SELECT crsql_automigrate({})", literal(schema))
}

fn migrate(connection: &Connection, schema: &str) {
    let answer: String = one(connection, &call(schema));
    assert_eq!(answer, "migration complete");
}

fn schema(connection: &Connection) -> Vec<String> {
    let mut all = connection
        .prepare(
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1",
        )
        .expect("read the schema");
    let rows = all
        .query_map([], |row| row.get(0))
        .expect("read the schema");
    rows.map(|row| row.expect("a row")).collect()
}

fn filled(schema: &str) -> Connection {
    let connection = open_memory();
    migrate(&connection, schema);
    exec(
        &connection,
        "INSERT INTO t(id, a) VALUES (1, 'one'), (2, 'two'), (3, 'three'); UPDATE t SET a = 'zwei' WHERE id = 2;
         DELETE FROM t WHERE id = 3; INSERT INTO pair(x, y) VALUES (1, 2), (3, 4)",
    );
    connection
}

#[test]
fn rows_and_their_history_outlive_a_migration() {
    let connection = filled(FIRST);
    let before = changes(&connection, 0);
    migrate(&connection, SECOND);
    let kept: Vec<_> = before
        .into_iter()
        .filter(|change| change.cid == "a" || change.cid == "-1")
        .collect();
    let after = changes(&connection, 0);
    for change in &kept {
        assert!(after.contains(change), "{change:?} is gone from {after:#?}");
    }
    exec(
        &connection,
        "UPDATE t SET c = 'set' WHERE id = 1; INSERT INTO fresh(v) VALUES (1); UPDATE pair SET w = 9",
    );
    check_partial(&connection, &["t", "pair", "fresh"]);
}

#[test]
fn a_second_run_changes_nothing() {
    let directory = scratch_dir_with_extension();
    let path = directory.join("schema.db");
    let (connection, watcher) = (open(&path), open(&path));
    migrate(&connection, FIRST);
    migrate(&connection, SECOND);
    let state = |connection: &Connection| {
        (
            schema(connection),
            one::<i64>(connection, "PRAGMA schema_version"),
            one::<i64>(connection, "SELECT crsql_db_version()"),
        )
    };
    let before = state(&connection);
    let seen: i64 = one(&watcher, "PRAGMA data_version");
    migrate(&connection, SECOND);
    assert_eq!(state(&connection), before);
    assert_eq!(one::<i64>(&watcher, "PRAGMA data_version"), seen, "a write");
}

/// Texts that fail at different stages: in the scratch database, in comparing, in altering, in running.
fn faulty() -> Vec<String> {
    vec![
        format!("{SECOND} CREATE TABLE broken (a,, b);"),
        SECOND.replace("a, c TEXT", "a INTEGER, c TEXT"),
        SECOND.replace("w, PRIMARY KEY (y, x)", "w, PRIMARY KEY (x, y)"),
        SECOND.replace("DEFAULT 'new'", "DEFAULT (random())"),
        SECOND.replace("DEFAULT 'new'", ""),
        SECOND.replace(
            "c TEXT NOT NULL DEFAULT 'new'",
            "c TEXT REFERENCES pair (v)",
        ),
        format!("{SECOND} SELECT crsql_as_crr('nothing');"),
        format!("{SECOND} CREATE UNIQUE INDEX one ON t (a); SELECT crsql_as_crr('t');"),
        format!("{SECOND} INSERT INTO pair(x, y) VALUES (9, 9), (9, 9);"),
        format!("{SECOND} COMMIT;"),
    ]
}

#[test]
fn an_error_changes_nothing_and_leaves_no_transaction_open() {
    for text in faulty() {
        let connection = filled(FIRST);
        let before = (schema(&connection), changes(&connection, 0));
        let error = refusal(&connection, &call(&text));
        assert!(
            error.starts_with("crsql: ") && !error.contains("not an error"),
            "{error}"
        );
        assert!(connection.is_autocommit(), "{text}");
        assert_eq!(
            (schema(&connection), changes(&connection, 0)),
            before,
            "{text}"
        );
        exec(&connection, "INSERT INTO t(id, a) VALUES (7, 'seven')");
        check(&connection, &["t", "pair"]);
        migrate(&connection, SECOND);
        check_partial(&connection, &["t", "pair", "fresh"]);
    }
}

#[test]
fn an_error_leaves_the_callers_transaction_alone() {
    for text in faulty() {
        let connection = filled(FIRST);
        exec(
            &connection,
            "BEGIN; INSERT INTO t(id, a) VALUES (7, 'seven'); SAVEPOINT s; INSERT INTO t(id, a) VALUES (8, 'eight')",
        );
        refusal(&connection, &call(&text));
        assert!(!connection.is_autocommit(), "{text}");
        exec(
            &connection,
            "ROLLBACK TO s; INSERT INTO t(id, a) VALUES (9, 'nine'); COMMIT",
        );
        let ids: String = one(
            &connection,
            "SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY id)",
        );
        assert_eq!(ids, "1,2,7,9");
        check(&connection, &["t", "pair"]);
    }
}

#[test]
fn a_rollback_undoes_a_migration() {
    let connection = filled(FIRST);
    let before = (schema(&connection), changes(&connection, 0));
    exec(&connection, "BEGIN; INSERT INTO t(id) VALUES (7)");
    migrate(&connection, SECOND);
    exec(
        &connection,
        "INSERT INTO t(id, c) VALUES (8, 'c'); ROLLBACK",
    );
    assert_eq!((schema(&connection), changes(&connection, 0)), before);
    exec(&connection, "INSERT INTO t(id, b) VALUES (8, 'b')");
    check(&connection, &["t", "pair"]);
}

#[test]
fn replicas_that_migrate_at_different_times_end_equal() {
    let (early, late) = (filled(FIRST), open_memory());
    migrate(&late, FIRST);
    merge(&late, &changes(&early, 0));
    migrate(&early, SECOND);
    exec(
        &early,
        "UPDATE t SET c = 'early' WHERE id = 1; INSERT INTO t(id, a, c) VALUES (4, 'four', 'cccc');
         INSERT INTO fresh VALUES (x'01', 'waits'); UPDATE pair SET w = 'w' WHERE x = 1; DELETE FROM t WHERE id = 2",
    );
    exec(
        &late,
        "UPDATE t SET a = 'late', b = 'dropped there' WHERE id = 1; UPDATE pair SET v = 'v'; INSERT INTO t(id, a) VALUES (5, 'five')",
    );
    merge(&late, &changes(&early, 0));
    merge(&early, &changes(&late, 0));
    migrate(&late, SECOND);
    merge(&late, &changes(&early, 0));
    merge(&early, &changes(&late, 0));
    merge(&late, &changes(&early, 0));
    assert_same(
        &early,
        &late,
        &["t", "pair", "fresh"],
        "after both migrated",
    );
    assert_eq!(content(&late, "fresh").len(), 1);
}

#[test]
fn a_dropped_table_leaves_the_others_and_the_versions_alone() {
    let connection = filled(FIRST);
    let version: i64 = one(&connection, "SELECT crsql_db_version()");
    migrate(
        &connection,
        "CREATE TABLE IF NOT EXISTS pair (x NOT NULL, y NOT NULL, v, PRIMARY KEY (y, x))",
    );
    assert!(
        changes(&connection, 0)
            .iter()
            .all(|change| change.table == "pair")
    );
    assert_eq!(
        one::<i64>(&connection, "SELECT crsql_db_version()"),
        version
    );
    check(&connection, &["pair"]);
    migrate(&connection, FIRST);
    exec(&connection, "INSERT INTO t(id) VALUES (1)");
    assert_eq!(changes(&connection, version)[0].col_version, 1);
    check(&connection, &["t", "pair"]);
}

#[test]
fn another_connection_goes_on_after_a_migration() {
    let directory = scratch_dir_with_extension();
    let path = directory.join("schema.db");
    let (first, second) = (open(&path), open(&path));
    migrate(&first, FIRST);
    exec(&second, "INSERT INTO t(id, b) VALUES (1, 'b')");
    migrate(&first, SECOND);
    exec(
        &second,
        "INSERT INTO t(id, c) VALUES (2, 'c'); UPDATE t SET c = 'd' WHERE id = 1",
    );
    check_partial(&second, &["t", "pair", "fresh"]);
    migrate(&second, SECOND);
}

#[test]
fn names_that_need_quotes_are_migrated() {
    let connection = open_memory();
    migrate(
        &connection,
        "CREATE TABLE IF NOT EXISTS \"a \"\"b\" (\"k;\" INTEGER PRIMARY KEY, [x]] y]); SELECT crsql_as_crr('a \"b')"
            .replace("[x]] y]", "[x' y], \"drop\"\"me\"")
            .as_str(),
    );
    exec(&connection, "INSERT INTO \"a \"\"b\" VALUES (1, 2, 3)");
    migrate(
        &connection,
        "CREATE TABLE IF NOT EXISTS `a \"b` (\"k;\" INTEGER PRIMARY KEY, \"x' y\", `ad``d` DEFAULT ');') -- end",
    );
    exec(&connection, "UPDATE \"a \"\"b\" SET \"ad`d\" = 4");
    let cids: Vec<_> = changes(&connection, 0)
        .into_iter()
        .map(|change| change.cid)
        .collect();
    assert_eq!(cids, ["x' y", "ad`d"]);
    check_partial(&connection, &["a \"b"]);
}

#[test]
fn foreign_keys_of_plain_tables_and_rows_in_the_text_are_kept() {
    let connection = open_memory();
    exec(&connection, "PRAGMA foreign_keys = ON");
    let text = "
        CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS child (id INTEGER PRIMARY KEY, p REFERENCES parent(id) ON DELETE SET NULL);
        INSERT OR IGNORE INTO parent VALUES (1), (2);
        INSERT OR IGNORE INTO child(id, p) VALUES (1, 2);";
    migrate(&connection, text);
    migrate(
        &connection,
        &text.replace("ON DELETE SET NULL)", "ON DELETE SET NULL, note)"),
    );
    assert_eq!(one::<i64>(&connection, "SELECT p FROM child"), 2);
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM parent"), 2);
}

#[test]
fn tables_that_refer_to_each_other_are_dropped_together() {
    let connection = open_memory();
    exec(&connection, "PRAGMA foreign_keys = ON");
    exec(
        &connection,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent (id));
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)",
    );
    migrate(&connection, "CREATE TABLE IF NOT EXISTS other (a)");
    let left: String = one(
        &connection,
        "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'crsql%'",
    );
    assert_eq!(left, "other");
}
