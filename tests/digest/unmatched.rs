//! Tables that a conversation can't make equal are named on both sides, in `crsql_status`.

use rusqlite::Connection;

use crate::checks::{exec, one};
use crate::conversation::converse;
use crate::support::open_memory;

const MAX: i64 = 1 << 20;

const ONLY_HERE: &str = "the other side does not have it";
const ONLY_THERE: &str = "only the other side has it: make it here and call crsql_as_crr";
const COLUMNS: &str =
    "its columns, or the number of its key columns, differ from those of the other side";

fn replica(tables: &[&str]) -> Connection {
    let connection = open_memory();
    for table in tables {
        let (name, columns) = table.split_once('(').expect("columns");
        exec(&connection, &format!("CREATE TABLE {name}({columns}"));
        exec(&connection, &format!("SELECT crsql_as_crr('{name}')"));
    }
    connection
}

fn not_reconciled(connection: &Connection) -> Vec<(String, String)> {
    connection
        .prepare(
            "SELECT name, not_reconciled FROM crsql_status
             WHERE kind = 'table' AND not_reconciled IS NOT NULL ORDER BY name",
        )
        .and_then(|mut query| {
            query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .expect("a status")
}

fn notes(notes: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = notes.iter().map(|(a, b)| (a.to_string(), b.to_string()));
    owned.collect()
}

#[test]
fn tables_of_one_side_are_named_on_both() {
    let common = "Common(id INTEGER PRIMARY KEY NOT NULL, v)";
    let left = replica(&[common, "Lefty(id INTEGER PRIMARY KEY NOT NULL, v)"]);
    let right = replica(&[common, "Right(id INTEGER PRIMARY KEY NOT NULL, v)"]);
    exec(
        &left,
        "INSERT INTO Common VALUES (1, 1); INSERT INTO Lefty VALUES (1, 1), (2, 2)",
    );
    exec(
        &right,
        "INSERT INTO Common VALUES (2, 2); INSERT INTO Right VALUES (1, 1)",
    );
    for (from, to) in [(&left, &right), (&right, &left), (&left, &right)] {
        converse(from, to, MAX);
        assert_eq!(
            not_reconciled(&left),
            notes(&[("Lefty", ONLY_HERE), ("right", ONLY_THERE)])
        );
        assert_eq!(
            not_reconciled(&right),
            notes(&[("Right", ONLY_HERE), ("lefty", ONLY_THERE)])
        );
    }
    let digest = |connection| one::<Vec<u8>>(connection, "SELECT crsql_digest('Common')");
    assert_eq!(digest(&left), digest(&right), "the others are made equal");

    // With the tables, the next conversation brings their rows, and the notes go.
    for (connection, table) in [(&left, "Right"), (&right, "Lefty")] {
        exec(
            connection,
            &format!(
                "CREATE TABLE {table}(id INTEGER PRIMARY KEY NOT NULL, v); SELECT crsql_as_crr('{table}')"
            ),
        );
    }
    converse(&left, &right, MAX);
    assert_eq!(not_reconciled(&left), []);
    assert_eq!(not_reconciled(&right), []);
    assert_eq!(one::<i64>(&right, "SELECT count(*) FROM Lefty"), 2);
    let digest = |connection| one::<Vec<u8>>(connection, "SELECT crsql_digest()");
    assert_eq!(digest(&left), digest(&right));
}

#[test]
fn tables_with_other_columns_are_named() {
    let left = replica(&["t(id INTEGER PRIMARY KEY NOT NULL, v)"]);
    let right = replica(&["t(id INTEGER PRIMARY KEY NOT NULL, v, w)"]);
    // Nothing is missing yet.
    converse(&left, &right, MAX);
    assert_eq!(not_reconciled(&left), []);
    exec(&left, "INSERT INTO t VALUES (1, 1)");
    converse(&left, &right, MAX);
    for side in [&left, &right] {
        assert_eq!(not_reconciled(side), notes(&[("t", COLUMNS)]));
    }
    exec(
        &left,
        "SELECT crsql_begin_alter('t'); ALTER TABLE t ADD w; SELECT crsql_commit_alter('t')",
    );
    converse(&left, &right, MAX);
    for side in [&left, &right] {
        assert_eq!(not_reconciled(side), []);
        assert_eq!(one::<i64>(side, "SELECT count(*) FROM t"), 1);
    }
}

#[test]
fn tables_without_rows_are_no_difference() {
    let left = replica(&[
        "t(id INTEGER PRIMARY KEY NOT NULL, v)",
        "e(id INTEGER PRIMARY KEY NOT NULL)",
    ]);
    let right = replica(&["t(id INTEGER PRIMARY KEY NOT NULL, v)"]);
    exec(&left, "INSERT INTO t VALUES (1, 1)");
    converse(&left, &right, MAX);
    assert_eq!(not_reconciled(&left), []);
    assert_eq!(not_reconciled(&right), []);
    // A deleted row is one that can be missed.
    exec(&left, "INSERT INTO e VALUES (1); DELETE FROM e");
    converse(&left, &right, MAX);
    assert_eq!(not_reconciled(&left), notes(&[("e", ONLY_HERE)]));
    assert_eq!(not_reconciled(&right), notes(&[("e", ONLY_THERE)]));
}

/// Lists of tables that do not fit one message say nothing of the tables that come later.
#[test]
fn many_tables_are_told_apart_in_small_messages() {
    let table = |name: String| format!("{name}(id INTEGER PRIMARY KEY NOT NULL, v)");
    let names = |of: &dyn Fn(i32) -> bool| -> Vec<String> {
        let all = (0..60).filter(|number| of(*number));
        all.map(|number| format!("table_with_a_long_name_{number:02}"))
            .collect()
    };
    let (in_left, in_right) = (names(&|n| n % 3 != 0), names(&|n| n % 4 != 0));
    let make = |of: &[String], value: i64| {
        let tables: Vec<String> = of.iter().cloned().map(table).collect();
        let connection = replica(&tables.iter().map(String::as_str).collect::<Vec<_>>());
        for name in of {
            exec(
                &connection,
                &format!("INSERT INTO {name} VALUES ({value}, 'x')"),
            );
        }
        connection
    };
    let (left, right) = (make(&in_left, 1), make(&in_right, 2));
    converse(&left, &right, 1024);
    for (side, own, theirs) in [(&left, &in_left, &in_right), (&right, &in_right, &in_left)] {
        for name in own.iter().filter(|name| theirs.contains(name)) {
            let rows = one::<i64>(side, &format!("SELECT count(*) FROM {name}"));
            assert_eq!(rows, 2, "{name}");
        }
        let mut expected: Vec<(String, String)> = Vec::new();
        for name in own.iter().filter(|name| !theirs.contains(name)) {
            expected.push((name.clone(), ONLY_HERE.to_owned()));
        }
        for name in theirs.iter().filter(|name| !own.contains(name)) {
            expected.push((name.clone(), ONLY_THERE.to_owned()));
        }
        expected.sort();
        let found = not_reconciled(side);
        assert!(
            found.iter().all(|note| expected.contains(note)),
            "{found:?}"
        );
        let missing: Vec<_> = expected
            .iter()
            .filter(|note| !found.contains(note))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

/// As in a changeset: column by column, the constraint would refuse what is on its way to a valid row.
#[test]
fn rows_arrive_whole() {
    let table = "t(id INTEGER PRIMARY KEY NOT NULL, low, high, CHECK (low <= high))";
    let (left, right) = (replica(&[table]), replica(&[table]));
    exec(&left, "INSERT INTO t VALUES (1, 1, 2)");
    converse(&left, &right, MAX);
    exec(&left, "UPDATE t SET low = 10, high = 20");
    exec(
        &right,
        "CREATE TABLE seen(what); CREATE TRIGGER seen AFTER UPDATE ON t BEGIN
         INSERT INTO seen VALUES (NEW.low || '-' || NEW.high); END",
    );
    converse(&left, &right, MAX);
    assert_eq!(
        one::<String>(&right, "SELECT group_concat(what) FROM seen"),
        "10-20"
    );
}
