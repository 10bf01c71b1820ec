//! Every error text, once, and what it leaves behind: nothing.
//!
//! After each error the connection, capture and merging go on, the sync bit is 0, and the statement
//! is undone whole.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "errors/denied.rs"]
mod denied;

#[path = "errors/changes.rs"]
mod of_changes;

#[path = "errors/faults.rs"]
mod faults;

#[path = "errors/functions.rs"]
mod functions;

use checks::{check, content, create_crr, exec, one, refusal, rows};
use rusqlite::Connection;
use support::{COLUMNS, changes, open_memory};

/// A replicated table with something of everything, one row of it, and the row's change.
fn prepared() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b NOT NULL DEFAULT 3, c INT CHECK (c < 100), g AS (k + 1))",
    );
    create_crr(
        &connection,
        "pair",
        "CREATE TABLE pair(org TEXT NOT NULL, n INT NOT NULL, a, PRIMARY KEY (n, org))",
    );
    create_crr(
        &connection,
        "strict",
        "CREATE TABLE strict(k TEXT PRIMARY KEY NOT NULL, i INT) STRICT",
    );
    exec(&connection, "INSERT INTO t(k, a) VALUES (1, 'x')");
    connection
}

/// An INSERT of one change: that of `t`, row 1, column a, but for the columns given.
fn insert(replaced: &[(&str, &str)]) -> String {
    let mut values = [
        "'t'",
        "x'010901'",
        "'a'",
        "'new'",
        "9",
        "9",
        "x'07'",
        "1",
        "0",
    ];
    for (column, value) in replaced {
        let index = COLUMNS
            .iter()
            .position(|name| name == column)
            .expect("a column of crsql_changes");
        values[index] = value;
    }
    format!("INSERT INTO crsql_changes VALUES ({})", values.join(", "))
}

/// The statement fails with exactly this text and leaves no trace, alone and in a transaction with
/// work before it; rows of the same statement are undone with it.
fn fails(connection: &Connection, sql: &str, text: &str) {
    let sites = || rows(connection, "SELECT * FROM crsql_site_id");
    let state = || {
        let tables = ["t", "pair", "strict"].map(|table| content(connection, table));
        let version: i64 = one(connection, "SELECT crsql_db_version()");
        (tables, changes(connection, 0), version)
    };
    let (before, sites_before) = (state(), sites());
    assert_eq!(refusal(connection, sql), text, "{sql}");
    assert!(connection.is_autocommit(), "{sql} left a transaction open");
    assert_eq!(
        (state(), sites()),
        (before.clone(), sites_before.clone()),
        "left behind by {sql}"
    );
    exec(
        connection,
        "BEGIN; INSERT INTO t(k, a) VALUES (50, 'earlier')",
    );
    let within = state();
    assert_eq!(refusal(connection, sql), text, "{sql} in a transaction");
    // Only a site that was not known before may have got its number.
    assert_eq!(state(), within, "left behind by {sql} in a transaction");
    if let Some(values) = sql.strip_prefix("INSERT INTO crsql_changes VALUES ") {
        let good = insert(&[("pk", "x'010902'"), ("val", "'undone'")]);
        assert_eq!(
            refusal(connection, &format!("{good}, {values}")),
            text,
            "{sql} after a good row"
        );
        assert_eq!(state(), within, "the good row before {sql} stayed");
        assert_eq!(one::<i64>(connection, "SELECT crsql_rows_impacted()"), 0);
    }
    assert_eq!(
        one::<i64>(connection, "SELECT crsql_internal_sync_bit()"),
        0,
        "after {sql}"
    );
    exec(connection, "UPDATE t SET a = 'captured' WHERE k = 50");
    let captured = rows(
        connection,
        "SELECT 1 FROM crsql_changes WHERE val = 'captured'",
    );
    assert_eq!(captured.len(), 1, "capture after {sql}");
    exec(connection, &insert(&[("val", "'merged'")]));
    assert_eq!(
        one::<String>(connection, "SELECT a FROM t WHERE k = 1"),
        "merged",
        "merge after {sql}"
    );
    exec(connection, "ROLLBACK");
    assert_eq!(
        (state(), sites()),
        (before, sites_before),
        "rolled back after {sql}"
    );
    drop(check(connection, &["t", "pair", "strict"]));
}

#[test]
fn values_that_the_table_refuses() {
    let connection = prepared();
    let merging = "crsql: merging into table \"t\": ";
    let null_b = insert(&[("cid", "'b'"), ("val", "NULL")]);
    fails(
        &connection,
        &null_b,
        &format!("{merging}NOT NULL constraint failed: t.b"),
    );
    let checked = insert(&[("cid", "'c'"), ("val", "100")]);
    fails(
        &connection,
        &checked,
        &format!("{merging}CHECK constraint failed: c < 100"),
    );
    let new_row = insert(&[("cid", "'c'"), ("val", "100"), ("pk", "x'010977'")]);
    fails(
        &connection,
        &new_row,
        &format!("{merging}CHECK constraint failed: c < 100"),
    );
    let typed = insert(&[
        ("table", "'strict'"),
        ("pk", "x'010b0161'"),
        ("cid", "'i'"),
        ("val", "'text'"),
    ]);
    fails(
        &connection,
        &typed,
        "crsql: merging into table \"strict\": cannot store TEXT value in INT column strict.i",
    );
    exec(
        &connection,
        "CREATE TRIGGER guard BEFORE UPDATE OF a ON t WHEN NEW.a = 'new' BEGIN SELECT RAISE(ABORT, '100 %s reasons'); END",
    );
    fails(
        &connection,
        &insert(&[]),
        &format!("{merging}100 %s reasons"),
    );
    exec(
        &connection,
        "DROP TRIGGER guard; PRAGMA foreign_keys = ON; CREATE TABLE child(t REFERENCES t(k) ON DELETE RESTRICT); INSERT INTO child VALUES (1)",
    );
    let delete = insert(&[
        ("cid", "'-1'"),
        ("val", "NULL"),
        ("col_version", "2"),
        ("cl", "2"),
    ]);
    fails(
        &connection,
        &delete,
        &format!("{merging}FOREIGN KEY constraint failed"),
    );
    exec(
        &connection,
        "DROP TABLE child; CREATE UNIQUE INDEX one_a ON t(a); INSERT INTO t(k, a) VALUES (3, 'new')",
    );
    fails(
        &connection,
        &insert(&[]),
        &format!("{merging}UNIQUE constraint failed: t.a"),
    );
}

#[test]
fn result_codes_of_sqlite_are_kept() {
    let connection = prepared();
    for (sql, code) in [
        (
            insert(&[("cid", "'c'"), ("val", "100")]),
            rusqlite::ffi::SQLITE_CONSTRAINT_CHECK,
        ),
        (
            insert(&[("cid", "'b'"), ("val", "NULL")]),
            rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL,
        ),
        (insert(&[("table", "5")]), rusqlite::ffi::SQLITE_ERROR),
    ] {
        let error = connection.execute_batch(&sql).expect_err(&sql);
        let found = error
            .sqlite_error()
            .expect("an error of SQLite")
            .extended_code;
        assert_eq!(found & 0xff, code & 0xff, "{sql}: {error}");
    }
}

#[test]
fn the_changes_are_read_and_inserted_only() {
    let connection = prepared();
    let text = "crsql: crsql_changes can't be updated or deleted from: it shows the recorded changes; write to the \
                replicated table itself, or INSERT changes of a peer";
    for sql in [
        "UPDATE crsql_changes SET val = 1",
        "UPDATE crsql_changes SET db_version = 9 WHERE cid = 'a'",
        "DELETE FROM crsql_changes",
        "DELETE FROM crsql_changes WHERE cid = 'a'",
        "UPDATE OR REPLACE crsql_changes SET rowid = 5",
    ] {
        fails(&connection, sql, text);
    }
    exec(
        &connection,
        "UPDATE crsql_changes SET val = 1 WHERE cid = 'nope'; DELETE FROM crsql_changes WHERE 0",
    );
    for (sql, text) in [
        (
            "CREATE TRIGGER x AFTER INSERT ON crsql_changes BEGIN SELECT 1; END",
            "cannot create triggers on virtual tables",
        ),
        (
            "DROP TABLE crsql_changes",
            "table crsql_changes may not be dropped",
        ),
        (
            "SELECT * FROM crsql_changes('t')",
            "too many arguments on crsql_changes() - max 0",
        ),
    ] {
        let found = refusal(&connection, sql);
        assert!(
            found == text || found.starts_with("no such table"),
            "{sql}: {found}"
        );
    }
    let made = refusal(&connection, "CREATE VIRTUAL TABLE mine USING crsql_changes");
    assert_eq!(made, "no such module: crsql_changes");
}

#[test]
fn a_merge_inside_a_merge() {
    let connection = prepared();
    exec(
        &connection,
        "CREATE TRIGGER eager AFTER UPDATE ON t BEGIN \
           INSERT INTO crsql_changes VALUES ('t', x'010963', 'a', 1, 1, 1, x'07', 1, 0); END",
    );
    let text = refusal(&connection, &insert(&[]));
    assert_eq!(
        text,
        "crsql: merging into table \"t\": a trigger inserted into crsql_changes while a merge was running; merge from the application"
    );
    exec(&connection, "DROP TRIGGER eager");
    fails(
        &connection,
        &insert(&[("table", "NULL")]),
        "crsql: table of a change must be a text",
    );
}

#[test]
fn capture_functions_are_not_for_callers() {
    let connection = prepared();
    let text = "crsql: the crsql_capture functions are for the triggers that crsql_as_crr makes; don't call them";
    for function in ["existing", "insert", "update", "delete"] {
        fails(
            &connection,
            &format!("SELECT crsql_capture_{function}()"),
            text,
        );
        fails(
            &connection,
            &format!("SELECT crsql_capture_{function}(1, 2)"),
            text,
        );
    }
}

#[test]
fn a_column_that_triggers_name_is_not_dropped_outside_of_a_session() {
    let connection = prepared();
    let text = "error in trigger crsql_1_update (to drop a column, call crsql_begin_alter first) after drop column: \
                no such column: OLD.a";
    assert_eq!(refusal(&connection, "ALTER TABLE t DROP COLUMN a"), text);
    drop(check(&connection, &["t"]));
}

#[test]
fn text_in_a_key_that_is_no_utf8() {
    let connection = prepared();
    let text = "crsql: the key column \"k\" of table \"strict\" holds text that is not valid UTF-8; store it as a BLOB";
    fails(
        &connection,
        "INSERT INTO strict VALUES (CAST(x'ff' AS TEXT), 1)",
        text,
    );
    fails(
        &connection,
        "INSERT INTO strict VALUES ('fine', 0), (CAST(x'61c3' AS TEXT), 1)",
        text,
    );
}

#[test]
fn damaged_bookkeeping_is_named() {
    // In a transaction of its own each: SQLite lets nothing be written after SQLITE_CORRUPT.
    let damage = |sql: &str, read: &str, text: &str| {
        let connection = prepared();
        exec(&connection, "UPDATE t SET a = 'y'");
        let records: String = one(
            &connection,
            "SELECT name FROM sqlite_master WHERE name LIKE 'crsql\\_rows\\_%' ESCAPE '\\' ORDER BY name LIMIT 1",
        );
        exec(&connection, &sql.replace("{records}", &records));
        assert_eq!(refusal(&connection, read), text, "{sql}");
        assert_eq!(
            one::<String>(&connection, "SELECT a FROM t"),
            "y",
            "the table itself can be read"
        );
    };
    let log = "crsql: a row of crsql_log is damaged; restore the file, or rebuild it from a peer";
    let record = "crsql: a clock record of table \"t\" is damaged; restore the file, or rebuild it from a peer";
    let everything = "SELECT count(val) FROM crsql_changes";
    damage("UPDATE crsql_log SET key = 'text'", everything, log);
    damage("UPDATE {records} SET clock = x'ffff'", everything, record);
    damage(
        "UPDATE {records} SET clock = 5",
        "UPDATE t SET a = 'z'",
        record,
    );
    damage(
        "UPDATE crsql_log SET site = 77",
        everything,
        "crsql: the log names the site 77, which crsql_site_id doesn't have; put its row back",
    );
}
