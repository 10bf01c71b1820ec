//! Complaints about changes of the schema.

use crate::checks::{check, check_partial, create_crr, exec, one};
use crate::support::{changes, merge, open_memory};
use rusqlite::Connection;

const TABLE: &str = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)";

fn with_rows(count: i64) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO t SELECT 'key ' || i, i, i FROM n"
        ),
    );
    connection
}

/// Rows that were written since, in the application's tables and in ours.
fn written(connection: &Connection, work: &str) -> i64 {
    let before: i64 = one(connection, "SELECT total_changes()");
    exec(connection, work);
    one::<i64>(connection, "SELECT total_changes()") - before
}

#[test]
fn complaint_15_a_nullable_column_makes_no_change_rows() {
    let connection = with_rows(20_000);
    let before = changes(&connection, 0);
    let work = "ALTER TABLE t ADD COLUMN c; SELECT crsql_as_crr('t')";
    assert!(written(&connection, work) < 100);
    assert_eq!(changes(&connection, 0), before);
}

#[test]
fn complaint_16_an_empty_alter_session_costs_nothing_per_row() {
    let connection = with_rows(20_000);
    let before = changes(&connection, 0);
    let work = "SELECT crsql_begin_alter('t'); SELECT crsql_commit_alter('t')";
    assert!(written(&connection, work) < 100);
    assert_eq!(changes(&connection, 0), before);
}

#[test]
fn complaint_18_a_table_or_column_that_is_not_here_stops_nothing() {
    let [ahead, behind] = [with_rows(3), open_memory()];
    create_crr(&behind, "t", TABLE);
    create_crr(&ahead, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, v)");
    exec(
        &ahead,
        "ALTER TABLE t ADD COLUMN c; UPDATE t SET c = a; INSERT INTO u VALUES (1, 1)",
    );
    merge(&behind, &changes(&ahead, 0));
    assert_eq!(one::<i64>(&behind, "SELECT count(*) FROM t"), 3);
    create_crr(&behind, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, v)");
    exec(
        &behind,
        "ALTER TABLE t ADD COLUMN c; SELECT crsql_as_crr('t')",
    );
    assert_eq!(one::<i64>(&behind, "SELECT sum(c) FROM t"), 6);
    assert_eq!(one::<i64>(&behind, "SELECT sum(v) FROM u"), 1);
    assert_eq!(one::<i64>(&behind, "SELECT count(*) FROM crsql_parked"), 0);
}

#[test]
fn complaint_19_a_column_added_again_has_no_past() {
    let connection = with_rows(2);
    exec(
        &connection,
        "UPDATE t SET a = 9; SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a; \
         ALTER TABLE t ADD COLUMN a DEFAULT 5; SELECT crsql_commit_alter('t')",
    );
    let of_a = "SELECT count(*), max(col_version) FROM crsql_changes WHERE cid = 'a'";
    assert_eq!(one::<i64>(&connection, of_a), 0);
    exec(&connection, "UPDATE t SET a = 6");
    let versions = "SELECT max(col_version) FROM crsql_changes WHERE cid = 'a'";
    assert_eq!(one::<i64>(&connection, versions), 1);
    drop(check_partial(&connection, &["t"]));
}

#[test]
fn complaint_20_a_migration_committed_in_between_captures_what_follows() {
    let connection = with_rows(2);
    exec(
        &connection,
        "BEGIN; SELECT crsql_begin_alter('t'); ALTER TABLE t RENAME COLUMN b TO c; COMMIT; \
         UPDATE t SET c = 'captured'; INSERT INTO t VALUES ('new', 1, 2); DELETE FROM t WHERE k = 'key 1'",
    );
    drop(check(&connection, &["t"]));
}
