//! Columns that came when there were rows: nobody wrote those cells, so anything else wins over them.

use crate::checks::{create_crr, exec, one, rows};
use crate::support::{changes, merge, open_memory};
use rusqlite::Connection;
use rusqlite::types::Value;

/// A declaration of the column, and the default that the rows of then hold.
const COLUMNS: [(&str, &str); 12] = [
    ("b", "NULL"),
    ("b INTEGER NOT NULL DEFAULT 0", "0"),
    ("b INTEGER DEFAULT '5'", "5"),
    ("b TEXT DEFAULT 5", "'5'"),
    ("b REAL DEFAULT 1", "1.0"),
    ("b DEFAULT -0.0", "-0.0"),
    ("b DEFAULT 0.1", "0.1"),
    ("b DEFAULT ''", "''"),
    ("b DEFAULT 'it''s'", "'it''s'"),
    ("b BLOB DEFAULT x'00ff'", "x'00ff'"),
    ("b DEFAULT -9223372036854775808", "-9223372036854775808"),
    ("b DEFAULT bare", "'bare'"),
];

fn altered(column: &str) -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES ('old', 1), ('touched', 1); UPDATE t SET a = 2 WHERE k = 'touched'",
    );
    exec(&connection, &format!("ALTER TABLE t ADD COLUMN {column}"));
    connection
}

fn versions(connection: &Connection) -> Vec<Vec<Value>> {
    rows(
        connection,
        "SELECT (SELECT cell FROM crsql_unpack_columns(pk)), col_version FROM crsql_changes WHERE cid = 'b' ORDER BY 1",
    )
}

fn row(key: &str, version: i64) -> Vec<Value> {
    vec![Value::Text(key.to_owned()), Value::Integer(version)]
}

#[test]
fn the_first_write_of_an_unset_cell_is_version_one() {
    for (column, default) in COLUMNS {
        let connection = altered(column);
        assert!(versions(&connection).is_empty(), "{column}");
        exec(
            &connection,
            &format!(
                "INSERT INTO t(k) VALUES ('default'); INSERT INTO t(k, b) VALUES ('given', {default}), ('other', 77)"
            ),
        );
        let inserted = ["default", "given", "other"].map(|key| row(key, 1));
        assert_eq!(versions(&connection), inserted, "{column}");
        exec(&connection, "UPDATE t SET b = 78");
        let written = [
            ("default", 2),
            ("given", 2),
            ("old", 1),
            ("other", 2),
            ("touched", 1),
        ]
        .map(|(key, version)| row(key, version));
        assert_eq!(versions(&connection), written, "{column}");
    }
}

#[test]
fn an_unset_cell_loses_to_any_change_and_a_set_one_by_the_rule() {
    for (column, _) in COLUMNS {
        let connection = altered(column);
        exec(&connection, "INSERT INTO t(k) VALUES ('new')");
        let kept: Value = one(&connection, "SELECT b FROM t WHERE k = 'new'");
        // The smallest value that the column takes loses every tie.
        let smallest = if column.contains("NOT NULL") {
            "x''"
        } else {
            "NULL"
        };
        exec(
            &connection,
            &format!(
                "INSERT INTO crsql_changes \
                 SELECT 't', crsql_pack_columns(k), 'b', {smallest}, 1, 1, x'53', 1, 0 FROM t"
            ),
        );
        let taken = format!("SELECT count(*) FROM t WHERE b IS {smallest} AND k <> 'new'");
        assert_eq!(one::<i64>(&connection, &taken), 2, "{column}");
        assert_eq!(
            one::<Value>(&connection, "SELECT b FROM t WHERE k = 'new'"),
            kept,
            "{column}"
        );
    }
}

#[test]
fn replicas_that_add_the_column_at_different_times_end_equal() {
    for (column, default) in COLUMNS {
        let create = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)";
        let [left, right] = [open_memory(), open_memory()];
        for side in [&left, &right] {
            create_crr(side, "t", create);
        }
        exec(&left, "INSERT INTO t VALUES ('shared', 1), ('left', 1)");
        merge(&right, &changes(&left, 0));
        let add = format!("ALTER TABLE t ADD COLUMN {column}");
        exec(&left, &add);
        exec(
            &left,
            "UPDATE t SET b = 'by left' WHERE k = 'shared'; INSERT INTO t VALUES ('both', 'l', 'l')",
        );
        exec(
            &left,
            &format!("INSERT INTO t VALUES ('holds', 'l', {default})"),
        );
        // The column is not here yet: its changes wait.
        merge(&right, &changes(&left, 0));
        exec(
            &right,
            "INSERT INTO t VALUES ('right', 1) ON CONFLICT DO NOTHING; UPDATE t SET a = 'r' WHERE k = 'both'",
        );
        exec(&right, &add);
        exec(
            &right,
            "UPDATE t SET b = 'by right' WHERE k = 'left'; SELECT crsql_as_crr('t')",
        );
        for _ in 0..2 {
            merge(&right, &changes(&left, 0));
            merge(&left, &changes(&right, 0));
        }
        let all = |side: &Connection| rows(side, "SELECT *, typeof(b) FROM t ORDER BY k");
        assert_eq!(all(&left), all(&right), "{column}");
        assert_eq!(
            one::<i64>(&right, "SELECT count(*) FROM crsql_parked"),
            0,
            "{column}"
        );
        assert_eq!(
            one::<String>(&left, "SELECT b FROM t WHERE k = 'left'"),
            "by right"
        );
        assert_eq!(
            one::<String>(&right, "SELECT b FROM t WHERE k = 'shared'"),
            "by left"
        );
    }
}

#[test]
fn a_column_added_to_an_empty_table_is_like_the_first_ones() {
    let connection = open_memory();
    create_crr(&connection, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &connection,
        "ALTER TABLE t ADD COLUMN b NOT NULL DEFAULT 0; ALTER TABLE t ADD COLUMN c DEFAULT (random()); \
         INSERT INTO t(k) VALUES (1), (2), (3)",
    );
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM crsql_rows_1"),
        0
    );
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM crsql_log"), 1);
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM crsql_changes"),
        9
    );
}

/// SQLite reads these in another way for the rows that are there than for a row that is inserted.
#[test]
fn what_the_rows_of_then_hold_is_what_sqlite_says() {
    for (column, low) in [
        ("b DEFAULT 1.0", "0"),
        ("b DEFAULT -0.0", "-1"),
        ("b DEFAULT 1e3", "5"),
        ("b TEXT DEFAULT 1.50", "'0'"),
        ("b TEXT DEFAULT -1e3", "'-0'"),
        ("b TEXT DEFAULT 0x10", "'0'"),
        ("b TEXT DEFAULT true", "x'00'"),
        ("b TEXT DEFAULT 12345678901234567890", "'0'"),
    ] {
        let [left, right] = [altered(column), open_memory()];
        create_crr(
            &right,
            "t",
            "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
        );
        merge(&right, &changes(&left, 0));
        exec(&right, &format!("ALTER TABLE t ADD COLUMN {column}"));
        exec(&right, &format!("UPDATE t SET b = {low} WHERE k = 'old'"));
        merge(&left, &changes(&right, 0));
        let all = |side: &Connection| rows(side, "SELECT * FROM t ORDER BY k");
        assert_eq!(all(&left), all(&right), "{column}");
        exec(&left, "INSERT INTO t(k) VALUES ('new')");
        assert_eq!(versions(&left), [row("new", 1), row("old", 1)], "{column}");
    }
}

/// Random schedules led to this: in the transaction of a plain ADD COLUMN the triggers do not name the new column yet. Where the
/// table was empty before, an UPDATE of a row that came in that transaction told of a write to the column, which nobody had made,
/// and which could win over one that somebody made.
#[test]
fn an_update_tells_of_no_write_to_a_column_that_was_added_to_an_empty_table() {
    let written = |column: &str, update: &str| {
        let connection = open_memory();
        create_crr(
            &connection,
            "t",
            "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
        );
        let text = format!(
            "BEGIN; ALTER TABLE t ADD COLUMN {column};
             INSERT INTO crsql_changes VALUES ('t', x'010b016d', 'a', 1, 1, 1, zeroblob(16), 1, 0);
             UPDATE t SET {update}; COMMIT"
        );
        exec(&connection, &text);
        rows(
            &connection,
            "SELECT cid, col_version FROM crsql_changes ORDER BY cid",
        )
    };
    let cell =
        |column: &str, version| vec![Value::Text(column.to_owned()), Value::Integer(version)];
    for (column, default) in COLUMNS {
        let unset = written(column, "a = 2");
        assert_eq!(unset, [cell("a", 2)], "{column}");
        let unchanged = written(column, &format!("a = 2, b = {default}"));
        assert_eq!(unchanged, [cell("a", 2)], "{column}");
        let set = written(column, "b = 77");
        assert_eq!(set, [cell("a", 1), cell("b", 1)], "{column}");
    }
    // What the default was when the row came can't be known.
    let unknown = written("b DEFAULT CURRENT_TIMESTAMP", "a = 2");
    assert_eq!(unknown.first(), Some(&cell("a", 2)));
}
