//! An upgrade inside a transaction, and seen by other connections.

use super::{ALL_CHANGES, EXPECTED, made, make, upgrade};
use crate::checks::{exec, one, refusal, rows};
use crate::support::{load, scratch_dir};
use rusqlite::Connection;

fn is_refused(connection: &Connection) -> bool {
    refusal(connection, "SELECT crsql_db_version()").contains("crsql_upgrade()")
}

#[test]
fn a_rollback_takes_the_upgrade_back() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TABLE plain (a); BEGIN; INSERT INTO plain VALUES (1)",
    );
    upgrade(&connection);
    exec(&connection, "INSERT INTO n VALUES (9, 9, 9)");
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT max(seq) FROM crsql_changes WHERE db_version = 16"
        ),
        1
    );
    exec(&connection, "ROLLBACK");
    assert!(is_refused(&connection));
    refusal(&connection, "INSERT INTO n VALUES (9, 9, 9)");
    upgrade(&connection);
    assert_eq!(rows(&connection, ALL_CHANGES), rows(&connection, EXPECTED));
    exec(&connection, "INSERT INTO n VALUES (9, 9, 9)");
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 16);
}

#[test]
fn a_rollback_to_a_savepoint_takes_it_back_too() {
    let connection = made(&["f17.sql"]);
    exec(
        &connection,
        "CREATE TABLE plain (a); BEGIN; INSERT INTO plain VALUES (1); SAVEPOINT s",
    );
    upgrade(&connection);
    exec(
        &connection,
        "INSERT INTO t VALUES ('new', 1, 2); ROLLBACK TO s",
    );
    assert!(is_refused(&connection));
    upgrade(&connection);
    exec(
        &connection,
        "RELEASE s; INSERT INTO t VALUES ('new', 1, 2); COMMIT",
    );
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM plain"), 1);
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 10);
}

#[test]
fn a_failure_leaves_the_callers_transaction_alone() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "INSERT INTO n__crsql_clock VALUES (4, 'z', -1, -1, 0, 0);
         CREATE TABLE plain (a); BEGIN; INSERT INTO plain VALUES (1)",
    );
    refusal(&connection, "SELECT crsql_upgrade()");
    exec(&connection, "INSERT INTO plain VALUES (2)");
    assert!(is_refused(&connection));
    exec(
        &connection,
        "DELETE FROM n__crsql_clock WHERE col_name = 'z'",
    );
    upgrade(&connection);
    exec(&connection, "COMMIT");
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM plain"), 2);
    assert_eq!(rows(&connection, ALL_CHANGES), rows(&connection, EXPECTED));
}

#[test]
fn connections_that_are_open_already_go_on() {
    let directory = scratch_dir();
    let path = directory.join("old.db");
    make(&path, &["u16.sql"]);
    let open = || {
        let connection = Connection::open(&path).expect("open the file");
        load(&connection).expect("load the extension");
        connection
    };
    let (first, second) = (open(), open());
    exec(&second, "PRAGMA journal_mode = WAL");
    assert!(is_refused(&first) && is_refused(&second));
    upgrade(&first);
    assert_eq!(rows(&second, ALL_CHANGES), rows(&second, EXPECTED));
    exec(&second, "INSERT INTO n VALUES (9, 9, 9)");
    exec(&first, "UPDATE n SET x = 10 WHERE k = 9");
    assert_eq!(one::<i64>(&second, "SELECT crsql_db_version()"), 17);
    assert!(upgrade(&second).contains("nothing to do"));
    assert_eq!(rows(&open(), ALL_CHANGES), rows(&first, ALL_CHANGES));
}

#[test]
fn what_the_application_sees_of_its_last_insert_stays() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TABLE plain (a); INSERT INTO plain (rowid, a) VALUES (77, 1)",
    );
    upgrade(&connection);
    assert_eq!(one::<i64>(&connection, "SELECT last_insert_rowid()"), 77);
}
