//! What makes two keys one row: the equality of SQLite, after affinity, on every replica.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{assert_same, check, create_crr, exec, one, rows};
use crate::support::{changes, merge, open_memory};

/// Two replicas of one table.
fn pair(create: &str) -> (Connection, Connection) {
    let [left, right] = [open_memory(), open_memory()];
    create_crr(&left, "t", create);
    create_crr(&right, "t", create);
    (left, right)
}

fn exchange(left: &Connection, right: &Connection) {
    let sent = changes(left, 0);
    merge(left, &changes(right, 0));
    merge(right, &sent);
}

#[test]
fn keys_that_sqlite_holds_equal_are_one_row_everywhere() {
    // (column, key here, key there, are they one row)
    for (column, here, there, same) in [
        ("k", "1", "1.0", true),
        ("k", "-0.0", "0", true),
        ("k", "1", "'1'", false),
        ("k", "'a'", "x'61'", false),
        ("k", "9007199254740992.0", "9007199254740992", true),
        ("k", "9007199254740993", "9007199254740992.0", false),
        ("k", "-9223372036854775808", "-9223372036854775808.0", true),
        ("k", "9223372036854775807", "9223372036854775807.0", false),
        ("k INTEGER", "'7'", "7.0", true),
        ("k INT", "7", "'7'", true),
        ("k TEXT", "7", "'7'", true),
        ("k TEXT", "7", "7.0", false),
        ("k REAL", "-0.0", "0.0", true),
        ("k REAL", "1", "1.0", true),
        ("k NUMERIC", "'3.0'", "3", true),
        ("k BLOB", "1.0", "1", true),
    ] {
        let context = format!("{column}: {here} here, {there} there");
        let create = format!("CREATE TABLE t({column} NOT NULL PRIMARY KEY, a, b)");
        let (left, right) = pair(&create);
        exec(&left, &format!("INSERT INTO t VALUES ({here}, 'left', 1)"));
        exec(
            &right,
            &format!("INSERT INTO t VALUES ({there}, 'right', 0)"),
        );
        exchange(&left, &right);
        assert_same(&left, &right, &["t"], &context);
        let count: i64 = one(&left, "SELECT count(*) FROM t");
        assert_eq!(count == 1, same, "{context}");
        check(&left, &["t"]);
        exec(&right, &format!("DELETE FROM t WHERE k = {there}"));
        exchange(&left, &right);
        assert_same(&left, &right, &["t"], &context);
        assert_eq!(
            one::<i64>(&left, "SELECT count(*) FROM t"),
            count - 1,
            "{context}, deleted there"
        );
        check(&left, &["t"]);
    }
}

#[test]
fn a_key_set_to_an_equal_value_stays_the_same_row() {
    for (column, first, second) in [
        ("k", "1", "1.0"),
        ("k REAL", "0.0", "-0.0"),
        ("k INTEGER", "7", "'7'"),
        ("k", "2.0", "2"),
    ] {
        let (left, right) = pair(&format!("CREATE TABLE t({column} NOT NULL PRIMARY KEY, a)"));
        exec(&left, &format!("INSERT INTO t VALUES ({first}, 'a')"));
        exchange(&left, &right);
        exec(&left, &format!("UPDATE t SET k = {second}"));
        exec(&left, "UPDATE t SET a = 'b'");
        exchange(&left, &right);
        assert_same(
            &left,
            &right,
            &["t"],
            &format!("{column}: {first} set to {second}"),
        );
        assert_eq!(
            one::<i64>(
                &right,
                &format!("SELECT count(*) FROM t WHERE k = {first} AND a = 'b'")
            ),
            1
        );
        check(&left, &["t"]);
    }
}

#[test]
fn a_foreign_key_may_point_at_a_replicated_table() {
    let origin = open_memory();
    create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &origin,
        "PRAGMA foreign_keys = ON; CREATE TABLE child(t REFERENCES t(k) ON DELETE CASCADE)",
    );
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 'x'), (2, 'y'); INSERT INTO child VALUES (1), (2)",
    );
    let (_, there) = pair("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    merge(&there, &changes(&origin, 0));
    exec(&there, "DELETE FROM t WHERE k = 1");
    merge(&origin, &changes(&there, 0));
    assert_eq!(rows(&origin, "SELECT t FROM child"), [[Value::Integer(2)]]);
    check(&origin, &["t"]);
}

#[test]
fn a_key_of_two_hundred_and_fifty_five_columns() {
    let names: Vec<String> = (0..255).map(|column| format!("k{column}")).collect();
    let declared: Vec<String> = names
        .iter()
        .map(|name| format!("{name} INT NOT NULL"))
        .collect();
    let zeros = vec!["0"; 255].join(", ");
    let origin = open_memory();
    let create = format!(
        "CREATE TABLE t({}, a, PRIMARY KEY ({}))",
        declared.join(", "),
        names.join(", ")
    );
    create_crr(&origin, "t", &create);
    exec(
        &origin,
        &format!(
            "INSERT INTO t VALUES ({zeros}, 'a'); UPDATE t SET k254 = 1; UPDATE t SET a = 'b'"
        ),
    );
    check(&origin, &["t"]);
}
