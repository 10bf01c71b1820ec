//! Tables and columns under every name that SQLite takes.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{Follower, assert_same, check, create_crr, exec, one, quoted, rows, upgrade};
use crate::support::{changes, load, merge, open_memory};
use crate::{Shape, travels};

/// One table and one column under a name, from upgrade to a second replica.
fn name_travels(table: &str, column: &str) {
    let origin = open_memory();
    let (sql_table, sql_column) = (quoted(table), quoted(column));
    exec(
        &origin,
        &format!(
            "CREATE TABLE {sql_table}(the_key TEXT PRIMARY KEY NOT NULL, other, {sql_column} DEFAULT 'd')"
        ),
    );
    exec(
        &origin,
        &format!("INSERT INTO {sql_table}(the_key) VALUES ('before')"),
    );
    upgrade(&origin, table);
    let mut follower = Follower::new(&origin, &[table]);
    for sql in [
        format!("INSERT INTO {sql_table} VALUES ('k', 1, 2)"),
        format!("UPDATE {sql_table} SET {sql_column} = 3 WHERE the_key = 'k'"),
        format!("UPDATE {sql_table} SET the_key = 'l' WHERE the_key = 'k'"),
        format!("REPLACE INTO {sql_table} VALUES ('before', 4, 5)"),
        format!("DELETE FROM {sql_table} WHERE the_key = 'l'"),
    ] {
        exec(&origin, &sql);
        assert!(
            follower.pull(&origin, &sql) > 0,
            "nothing recorded by {sql}"
        );
    }
    exec(
        &follower.replica,
        &format!("UPDATE {sql_table} SET {sql_column} = 'there'"),
    );
    merge(&origin, &changes(&follower.replica, 0));
    assert_same(
        &origin,
        &follower.replica,
        &[table],
        "edited there and merged back",
    );
    check(&origin, &[table]);
    // A table may be called new or old: the triggers must not take it for theirs.
    exec(
        &origin,
        &format!("INSERT INTO {sql_table} VALUES ('fresh', 1, 2)"),
    );
    assert_eq!(
        one::<i64>(
            &origin,
            "SELECT max(col_version) FROM crsql_changes WHERE pk = crsql_pack_columns('fresh')"
        ),
        1
    );
    let names = rows(
        &origin,
        "SELECT DISTINCT \"table\", cid FROM crsql_changes WHERE cid NOT IN ('-1', 'other')",
    );
    assert_eq!(
        names,
        [[Value::Text(table.into()), Value::Text(column.into())]]
    );
}

const ODD_NAMES: [&str; 36] = [
    "a\"b",
    "\"",
    "\"\"",
    "two words",
    " ",
    "select",
    "order",
    "table",
    "null",
    "new",
    "old",
    "it's",
    "'",
    "%s",
    "%n%p%d",
    "a.b",
    "main.t",
    "a;b",
    "--",
    "/*",
    "[x]",
    "`x`",
    "1st",
    "-2",
    "?1",
    ":x",
    "@x",
    "$x",
    "\\",
    "tab\there",
    "line\nbreak",
    "café",
    "表",
    "🙂",
    "sqlitex",
    "{table}",
];

#[test]
fn odd_names() {
    for name in ODD_NAMES {
        name_travels(name, name);
    }
}

#[test]
fn long_names() {
    name_travels(&"x".repeat(2_000), &"y".repeat(2_000));
}

#[test]
fn names_that_the_bookkeeping_uses_itself() {
    for name in [
        "key",
        "cl",
        "cells",
        "tbl",
        "site",
        "site_id",
        "seq",
        "db_version",
        "col_version",
        "cid",
        "pk",
        "val",
        "k",
        "t",
        "v",
        "rowid",
        "_rowid_",
        "oid",
        "__crsql_key",
        "ROWID",
    ] {
        name_travels("plain", name);
        name_travels(name, "plain");
    }
}

#[test]
fn odd_names_in_the_key() {
    for name in ODD_NAMES.iter().chain(&["", "__crsql_key", "rowid", "key"]) {
        let key = quoted(name);
        let create = format!(
            "CREATE TABLE t({key} INT NOT NULL, second TEXT NOT NULL, a, PRIMARY KEY (second, {key}))"
        );
        let change_key = format!("UPDATE t SET {key} = 7 WHERE {key} = 2");
        travels(&Shape {
            table: "t",
            create: &create,
            before: &["INSERT INTO t VALUES (1, 's', 'x')"],
            backfilled: 1,
            after: &[
                "INSERT INTO t VALUES (2, 's', 'y')",
                &change_key,
                "UPDATE t SET a = 'z'",
            ],
            there: &["DELETE FROM t WHERE a = 'z'"],
        });
    }
}

#[test]
fn columns_named_like_every_alias_of_the_rowid() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(rowid TEXT, oid, _rowid_, id INTEGER PRIMARY KEY)",
        before: &["INSERT INTO t VALUES ('r', 'o', '_', 3)"],
        backfilled: 3,
        after: &[
            "INSERT INTO t VALUES (8, 8, 8, 4)",
            "UPDATE t SET rowid = 'changed' WHERE id = 4",
            "UPDATE t SET id = 5 WHERE id = 4",
            "DELETE FROM t WHERE id = 3",
        ],
        there: &["UPDATE t SET oid = rowid"],
    });
}

#[test]
fn an_empty_column_name() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k INTEGER PRIMARY KEY, \"\" TEXT, b)",
        before: &["INSERT INTO t VALUES (1, 'nameless', 2)"],
        backfilled: 2,
        after: &[
            "INSERT INTO t VALUES (2, 'x', 3)",
            "UPDATE t SET \"\" = 'y' WHERE k = 2",
            "UPDATE t SET k = 3 WHERE k = 2",
        ],
        there: &["UPDATE t SET \"\" = 'there'"],
    });
}

#[test]
fn the_declared_spelling_is_the_one_reported() {
    let origin = open_memory();
    exec(
        &origin,
        "CREATE TABLE Lakes(Id INTEGER PRIMARY KEY, Depth REAL)",
    );
    upgrade(&origin, "lAKES");
    exec(&origin, "INSERT INTO LAKES VALUES (1, 2)");
    let change = changes(&origin, 0).remove(0);
    assert_eq!(
        (change.table.as_str(), change.cid.as_str()),
        ("Lakes", "Depth")
    );
    let mut shouted = change.clone();
    shouted.table = "LAKES".into();
    shouted.cid = "DEPTH".into();
    shouted.col_version = 2;
    shouted.val = Value::Real(9.5);
    merge(&origin, &[shouted]);
    assert_eq!(one::<f64>(&origin, "SELECT Depth FROM Lakes"), 9.5);
    let again = changes(&origin, 0).remove(0);
    assert_eq!(
        (again.table.as_str(), again.cid.as_str()),
        ("Lakes", "Depth")
    );
}

#[test]
fn names_that_differ_only_in_the_case_of_a_letter_beyond_ascii() {
    // SQLite folds ASCII only: Ä and ä are two columns and two tables.
    let origin = open_memory();
    create_crr(
        &origin,
        "Ä",
        "CREATE TABLE \"Ä\"(k INTEGER PRIMARY KEY, \"ö\", \"Ö\")",
    );
    create_crr(
        &origin,
        "ä",
        "CREATE TABLE \"ä\"(k INTEGER PRIMARY KEY, \"ö\", \"Ö\")",
    );
    exec(
        &origin,
        "INSERT INTO \"Ä\" VALUES (1, 'small', 'big'); INSERT INTO \"ä\" VALUES (1, 's', 'b')",
    );
    check(&origin, &["Ä", "ä"]);
}

#[test]
fn utf16_databases_report_utf8() {
    let origin = Connection::open_in_memory().expect("open");
    exec(&origin, "PRAGMA encoding = 'UTF-16le'");
    load(&origin).expect("load");
    create_crr(
        &origin,
        "tä",
        "CREATE TABLE \"tä\"(k TEXT PRIMARY KEY NOT NULL, \"naïve\")",
    );
    exec(
        &origin,
        "INSERT INTO \"tä\" VALUES ('é', '😀'), ('z' || char(0) || 'z', 'ß')",
    );
    assert_eq!(one::<String>(&origin, "PRAGMA encoding"), "UTF-16le");
    assert_eq!(changes(&origin, 0)[0].pk, [1, 0x0b, 2, 0xc3, 0xa9]);
    exec(
        &origin,
        "UPDATE \"tä\" SET k = 'è' WHERE k = 'é'; DELETE FROM \"tä\" WHERE \"naïve\" = 'ß'",
    );
    check(&origin, &["tä"]);
}
