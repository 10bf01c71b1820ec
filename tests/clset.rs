//! Tables made by `CREATE VIRTUAL TABLE ... USING clset`, where the shell cannot look: files, several
//! connections, open scans.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

use checks::{assert_same, check, create_crr, exec, one, refusal};
use rusqlite::Connection;
use support::{changes, load, merge, open, open_memory, scratch_dir_with_extension};

const DUCKS: &str = "CREATE VIRTUAL TABLE ducks_schema USING clset (id PRIMARY KEY NOT NULL, q)";

#[test]
fn a_clset_table_exchanges_changes_with_an_ordinary_one() {
    let (here, there) = (open_memory(), open_memory());
    exec(&here, DUCKS);
    create_crr(
        &there,
        "ducks",
        "CREATE TABLE ducks (id PRIMARY KEY NOT NULL, q)",
    );
    exec(&here, "INSERT INTO ducks VALUES (1, 'a'), (2, 'b')");
    exec(&there, "INSERT INTO ducks VALUES (2, 'c'), (3, 'd')");
    merge(&there, &changes(&here, 0));
    merge(&here, &changes(&there, 0));
    assert_same(&here, &there, &["ducks"], "after the exchange");
    check(&here, &["ducks"]);
}

#[test]
fn a_clset_table_is_there_after_reopening_and_on_other_connections() {
    let directory = scratch_dir_with_extension();
    let path = directory.join("ducks.db");
    let first = open(&path);
    let second = open(&path);
    exec(&first, DUCKS);
    exec(&second, "INSERT INTO ducks VALUES (1, 'second')");
    drop((first, second));
    let third = open(&path);
    exec(&third, "INSERT INTO ducks VALUES (2, 'third')");
    assert_eq!(one::<i64>(&third, "SELECT count(*) FROM ducks_schema"), 0);
    check(&third, &["ducks"]);
    exec(&third, "DROP TABLE ducks_schema");
    assert_eq!(one::<i64>(&third, "SELECT crsql_db_version()"), 2);
    assert_eq!(one::<i64>(&third, "SELECT count(*) FROM crsql_tables"), 0);
    exec(&third, DUCKS);
    exec(&third, "INSERT INTO ducks VALUES (1, 'new')");
    let seen = changes(&third, 0);
    assert_eq!(seen.len(), 1, "the earlier life of the table is gone");
    assert_eq!((seen[0].db_version, seen[0].col_version), (3, 1));
}

#[test]
fn a_drop_that_is_locked_out_leaves_everything() {
    let connection = open_memory();
    exec(&connection, DUCKS);
    exec(
        &connection,
        "INSERT INTO ducks VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    );
    let mut reading = connection
        .prepare("SELECT id FROM ducks")
        .expect("prepare a scan");
    let mut scan = reading.query([]).expect("start a scan");
    assert!(scan.next().expect("a row").is_some());
    for _ in 0..2 {
        let text = refusal(&connection, "DROP TABLE ducks_schema");
        assert!(text.contains("locked"), "{text}");
    }
    drop(scan);
    drop(reading);
    exec(&connection, "INSERT INTO ducks VALUES (4, 'd')");
    check(&connection, &["ducks"]);
    exec(&connection, "DROP TABLE ducks_schema");
    assert_eq!(changes(&connection, 0).len(), 0);
    connection.close().expect("close");
}

#[test]
fn an_attached_clset_table_is_refused_and_unharmed() {
    let directory = scratch_dir_with_extension();
    let path = directory.join("ducks.db");
    let owner = open(&path);
    exec(&owner, DUCKS);
    exec(&owner, "INSERT INTO ducks VALUES (1, 'a')");
    let other = open_memory();
    exec(&other, &format!("ATTACH '{}' AS other", path.display()));
    let text = refusal(&other, "SELECT count(*) FROM other.ducks_schema");
    assert!(
        text.contains("\"ducks_schema\" is in the schema \"other\"")
            && text.contains("open its file as the main database"),
        "{text}"
    );
    refusal(&other, "DROP TABLE other.ducks_schema");
    assert_eq!(one::<i64>(&other, "SELECT count(*) FROM other.ducks"), 1);
    drop(other);
    exec(&owner, "INSERT INTO ducks VALUES (2, 'b')");
    check(&owner, &["ducks"]);
}

#[test]
fn without_the_extension_the_rows_can_be_read() {
    let directory = scratch_dir_with_extension();
    let path = directory.join("ducks.db");
    let owner = open(&path);
    exec(&owner, DUCKS);
    exec(&owner, "INSERT INTO ducks VALUES (1, 'a')");
    let plain = Connection::open(&path).expect("open");
    assert_eq!(one::<String>(&plain, "SELECT q FROM ducks"), "a");
    refusal(&plain, "DROP TABLE ducks_schema");
    load(&plain).expect("load");
    exec(&plain, "DROP TABLE ducks_schema");
    assert_eq!(changes(&owner, 0).len(), 0);
}

#[test]
fn the_rowid_of_the_applications_last_insert_stays() {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE plain (v); INSERT INTO plain(rowid, v) VALUES (77, 1)",
    );
    exec(&connection, DUCKS);
    assert_eq!(connection.last_insert_rowid(), 77);
    exec(&connection, "DROP TABLE ducks_schema");
    assert_eq!(connection.last_insert_rowid(), 77);
}

#[test]
fn a_failure_inside_a_transaction_loses_no_change_of_it() {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
    );
    exec(
        &connection,
        "BEGIN; INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    refusal(
        &connection,
        "CREATE VIRTUAL TABLE ducks_schema USING clset (id PRIMARY KEY NOT NULL, q UNIQUE)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (3, 'c'); UPDATE t SET v = 'z' WHERE id = 1",
    );
    exec(&connection, DUCKS);
    exec(
        &connection,
        "INSERT INTO ducks VALUES (1, 'grey'); SAVEPOINT s; DROP TABLE ducks_schema; ROLLBACK TO s; COMMIT",
    );
    assert_eq!(changes(&connection, 0).len(), 4);
    check(&connection, &["t", "ducks"]);
}

#[test]
fn changes_that_wait_for_the_table_are_merged_when_it_is_made() {
    let (here, there) = (open_memory(), open_memory());
    exec(&here, DUCKS);
    exec(
        &here,
        "INSERT INTO ducks VALUES (1, 'a'), (2, 'b'); DELETE FROM ducks WHERE id = 2",
    );
    merge(&there, &changes(&here, 0));
    assert_eq!(changes(&there, 0).len(), 0);
    exec(&there, "BEGIN");
    exec(&there, DUCKS);
    assert_eq!(
        one::<String>(&there, "SELECT group_concat(q) FROM ducks"),
        "a"
    );
    exec(&there, "COMMIT");
    assert_same(&here, &there, &["ducks"], "after the table was made");
    check(&there, &["ducks"]);
}

#[test]
fn a_table_made_an_ordinary_one_is_dropped_too() {
    let connection = open_memory();
    exec(&connection, DUCKS);
    exec(&connection, "INSERT INTO ducks VALUES (1, 'a')");
    one::<Option<String>>(&connection, "SELECT crsql_as_table('ducks')");
    exec(&connection, "DROP TABLE ducks_schema");
    let left: i64 = one(
        &connection,
        "SELECT count(*) FROM sqlite_master WHERE name LIKE '%ducks%' OR tbl_name LIKE '%ducks%'",
    );
    assert_eq!(left, 0);
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM crsql_tables"),
        0
    );
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 1);
    exec(&connection, DUCKS);
    exec(&connection, "INSERT INTO ducks VALUES (1, 'b')");
    assert_eq!(changes(&connection, 0)[0].db_version, 2);
}

#[test]
fn a_table_can_be_made_after_another_was_dropped() {
    let connection = open_memory();
    create_crr(
        &connection,
        "ducks",
        "CREATE TABLE ducks (id INTEGER PRIMARY KEY, v)",
    );
    exec(
        &connection,
        "INSERT INTO ducks VALUES (1, 'a'); DROP TABLE ducks",
    );
    exec(&connection, DUCKS);
    exec(&connection, "INSERT INTO ducks VALUES (1, 'b')");
    assert_eq!(changes(&connection, 0).len(), 1);
    check(&connection, &["ducks"]);
}
