//! Databases and tables that can't be taken over without a loss are left as they are, with the reason.

use super::{made, upgrade};
use crate::checks::{check_partial, exec, one, refusal, rows};
use crate::support::load;
use rusqlite::Connection;
use rusqlite::types::Value;

/// A database of 0.16 with one table, given how it is declared, and its clocks.
fn old(create: &str, keys: &str, fill: &str) -> Connection {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    exec(
        &connection,
        &format!(
            "CREATE TABLE crsql_master (key TEXT PRIMARY KEY, value ANY);
             INSERT INTO crsql_master VALUES ('crsqlite_version', 160300);
             CREATE TABLE crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
             CREATE UNIQUE INDEX crsql_site_id_site_id ON crsql_site_id (site_id);
             INSERT INTO crsql_site_id VALUES (x'a1a1a1a1a1a14a1a8a1a1a1a1a1a1a1a', 0);
             {create};
             CREATE TABLE t__crsql_clock (key INTEGER, col_name TEXT, col_version INTEGER, db_version INTEGER,
                 site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER, PRIMARY KEY (key, col_name)) WITHOUT ROWID, STRICT;
             CREATE TABLE t__crsql_pks (__crsql_key INTEGER PRIMARY KEY, {keys});
             CREATE UNIQUE INDEX t__crsql_pks_pks ON t__crsql_pks ({keys});
             {fill}"
        ),
    );
    load(&connection).expect("load the extension");
    connection
}

fn schema(connection: &Connection) -> Vec<Vec<Value>> {
    rows(
        connection,
        "SELECT name, sql FROM sqlite_schema UNION ALL SELECT key, value FROM crsql_master",
    )
}

#[test]
fn what_would_lose_something_is_refused_by_name() {
    let clocks = "INSERT INTO t__crsql_pks VALUES (1, 1); INSERT INTO t VALUES (1, 2);";
    let with = |clock: &str| format!("{clocks} INSERT INTO t__crsql_clock VALUES {clock}");
    let plain = "CREATE TABLE t (k INT PRIMARY KEY NOT NULL, a)";
    for (create, keys, fill, text) in [
        (
            "CREATE TABLE t (k INT, a)",
            "k",
            String::new(),
            "table \"t\" can't be replicated: it has no primary key",
        ),
        (
            "CREATE TABLE t (k TEXT PRIMARY KEY, a)",
            "k",
            "INSERT INTO t VALUES (NULL, 1)".to_owned(),
            "table \"t\" has rows whose key column \"k\" is NULL",
        ),
        (
            "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)",
            "k",
            String::new(),
            "compares the key column \"k\" by NOCASE",
        ),
        (
            "CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, \"-1\")",
            "k",
            String::new(),
            "a column named \"-1\"",
        ),
        (
            plain,
            "other",
            String::new(),
            "the primary key of table \"t\" is (\"k\"), and table \"t__crsql_pks\" knows it as (\"other\")",
        ),
        (
            plain,
            "k",
            with("(1, 'a', -1, 1, 0, 0)"),
            "table \"t__crsql_clock\" holds a counter that is negative",
        ),
        (
            plain,
            "k",
            with("(1, 'a', 1, 9223372036854775807, 0, 0)"),
            "counts its versions up to 9223372036854775807",
        ),
        (
            plain,
            "k",
            with("(1, 'a', 1, 4503599627370497, 0, 0)"),
            "only 0 to 4503599627370496 (2^52) can be taken over; copy its rows into a new database",
        ),
        (
            plain,
            "k",
            with("(1, 'a', 9007199254740993, 1, 0, 0)"),
            "table \"t__crsql_clock\" holds a counter that is negative, above 2^53, or no number",
        ),
        (
            plain,
            "k",
            with("(1, '-1', 0, 1, 0, 0)"),
            "a row that was created 0 times",
        ),
        (
            plain,
            "k",
            with("(1, 'a', 1, 1, 5, 0)"),
            "table \"t__crsql_clock\" names the site 5, which has no id",
        ),
    ] {
        let connection = old(create, keys, &fill);
        let before = schema(&connection);
        let refused = refusal(&connection, "SELECT crsql_upgrade()");
        assert!(refused.contains(text), "{refused}");
        assert_eq!(schema(&connection), before, "{text}");
    }
}

/// The greatest counters that can be taken over leave room to write, which peers accept.
#[test]
fn counters_at_their_bounds_are_taken_over() {
    let connection = old(
        "CREATE TABLE t (k INT PRIMARY KEY NOT NULL, a)",
        "k",
        "INSERT INTO t__crsql_pks VALUES (1, 1), (2, 2); INSERT INTO t VALUES (1, 2), (2, 3);
         INSERT INTO t__crsql_clock VALUES (1, 'a', 9007199254740992, 4503599627370496, 0, 9007199254740992),
                                           (2, '-1', 9007199254740991, 1, 0, 0), (2, 'a', 1, 1, 0, 1)",
    );
    upgrade(&connection);
    exec(
        &connection,
        "UPDATE t SET a = 4 WHERE k = 2; INSERT INTO t VALUES (3, 3)",
    );
    let version: i64 = one(&connection, "SELECT crsql_db_version()");
    assert_eq!(version, 4503599627370498);
    drop(check_partial(&connection, &["t"]));
    let text = refusal(&connection, "UPDATE t SET a = 4 WHERE k = 1");
    assert!(
        text.contains("DELETE the row, then INSERT it anew"),
        "{text}"
    );
}

#[test]
fn the_development_version_of_the_fork_is_refused() {
    let connection = made(&["f17.sql"]);
    exec(
        &connection,
        "CREATE TABLE t__crsql_v2_clock (cell_key, col_version, site_id, db_version, seq, ts)",
    );
    for statement in ["SELECT crsql_upgrade()", "SELECT crsql_db_version()"] {
        let text = refusal(&connection, statement);
        assert!(
            text.contains("development version 0.18, which can't be converted"),
            "{text}"
        );
    }
}

#[test]
fn clocks_of_an_unknown_form_are_refused_by_name() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TABLE mine__crsql_clock (a, b); CREATE TABLE mine (a PRIMARY KEY NOT NULL)",
    );
    for statement in ["SELECT crsql_upgrade()", "SELECT crsql_db_version()"] {
        let text = refusal(&connection, statement);
        assert!(
            text.contains("the columns of table \"mine__crsql_clock\""),
            "{text}"
        );
    }
}

#[test]
fn crsql_upgrade_takes_no_arguments() {
    let connection = made(&["u16.sql"]);
    let text = refusal(&connection, "SELECT crsql_upgrade('x')");
    assert!(text.contains("takes no arguments"), "{text}");
    exec(
        &connection,
        "CREATE VIEW v AS SELECT crsql_upgrade() AS report",
    );
    let text = refusal(&connection, "SELECT * FROM v");
    assert!(text.contains("unsafe use"), "{text}");
}

#[test]
fn a_key_that_may_be_null_is_accepted_and_stays_without_nulls() {
    let connection = made(&["u13.sql"]);
    let report = upgrade(&connection);
    assert!(report.contains("which may be NULL"), "{report}");
    let text = refusal(&connection, "INSERT INTO t VALUES (NULL, 1, 2)");
    assert!(
        text.contains("the key column \"k\" of table \"t\" is NULL"),
        "{text}"
    );
    exec(
        &connection,
        "INSERT INTO t VALUES ('new', 1, 2); UPDATE t SET a = 9 WHERE k = 'new'",
    );
}
