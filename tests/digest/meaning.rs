//! What a digest says: equal for equal logical states, different for any difference in them.

use rusqlite::Connection;

use crate::checks::{exec, one};
use crate::support::{changes, merge, open_memory};
use crate::world::digest;

fn replica() -> Connection {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a, b); SELECT crsql_as_crr('t')",
    );
    connection
}

#[test]
fn databases_without_rows_are_equal_whatever_tables_they_have() {
    let (none, some) = (open_memory(), replica());
    assert_eq!(digest(&none), digest(&some));
    assert_eq!(digest(&none).len(), 32);
    assert_eq!(
        one::<i64>(&none, "SELECT crsql_digest() = crsql_digest()"),
        1
    );
}

#[test]
fn replicas_with_the_same_changes_have_the_same_digest() {
    let (left, right) = (replica(), replica());
    exec(
        &left,
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3); UPDATE t SET a = 'A' WHERE id = 1; \
         DELETE FROM t WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'new', NULL)",
    );
    let mut backwards = changes(&left, 0);
    backwards.reverse();
    merge(&right, &backwards);
    assert_eq!(digest(&left), digest(&right));
    assert_eq!(
        one::<Vec<u8>>(&left, "SELECT crsql_digest('T')"),
        one::<Vec<u8>>(&right, "SELECT crsql_digest('t')")
    );
}

#[test]
fn a_clock_that_differs_shows_even_where_the_values_are_equal() {
    let (once, twice) = (replica(), replica());
    exec(&once, "INSERT INTO t VALUES (1, 'a', 1)");
    exec(
        &twice,
        "INSERT INTO t VALUES (1, 'x', 1); UPDATE t SET a = 'a'",
    );
    assert_ne!(digest(&once), digest(&twice));
    let gone = replica();
    exec(&gone, "INSERT INTO t VALUES (1, 'a', 1); DELETE FROM t");
    assert_ne!(digest(&gone), digest(&replica()), "a tombstone counts");
    exec(&gone, "INSERT INTO t VALUES (1, 'a', 1)");
    assert_ne!(digest(&gone), digest(&once), "a second life counts");
}

#[test]
fn what_is_local_to_a_replica_does_not_count() {
    let (left, right) = (replica(), open_memory());
    exec(
        &right,
        "CREATE TABLE other (id INTEGER PRIMARY KEY); SELECT crsql_as_crr('other'); \
         CREATE TABLE T (B, id INTEGER PRIMARY KEY NOT NULL, A) WITHOUT ROWID; SELECT crsql_as_crr('T'); \
         SELECT crsql_next_db_version(70)",
    );
    exec(
        &left,
        "INSERT INTO t VALUES (5, 'a', 0.0), (-7, 'b', 2); DELETE FROM t WHERE id = -7",
    );
    exec(
        &right,
        "INSERT INTO t (id, a, b) VALUES (-7, 'b', 2); DELETE FROM t; INSERT INTO t (id, a, b) VALUES (5, 'a', -0.0)",
    );
    assert_eq!(digest(&left), digest(&right));
}

#[test]
fn the_storage_class_of_a_value_counts() {
    let digests: Vec<Vec<u8>> = ["1", "1.0", "'1'", "x'31'", "NULL"]
        .iter()
        .map(|value| {
            let connection = replica();
            exec(
                &connection,
                &format!("INSERT INTO t VALUES (1, {value}, NULL)"),
            );
            digest(&connection)
        })
        .collect();
    for (index, one) in digests.iter().enumerate() {
        assert!(!digests[index + 1..].contains(one), "value {index}");
    }
}
