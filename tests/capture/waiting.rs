//! Writes whose clock is looked up only when it is written.

use crate::checks::{check, create_crr, exec, one};
use crate::support::open_memory;

const TABLE: &str = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)";

/// `cid:col_version:cl` of the changes of one key, in the order of `cid`.
fn clocks(connection: &rusqlite::Connection, key: &str) -> String {
    one(
        connection,
        &format!(
            "SELECT group_concat(cid || ':' || col_version || ':' || cl, ' ' ORDER BY cid) FROM crsql_changes \
             WHERE pk = crsql_pack_columns('{key}')"
        ),
    )
}

#[test]
fn each_write_goes_on_from_the_record_of_its_own_row() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
         INSERT INTO t SELECT printf('%04d', n * 7919 % 1000), 0, 0 FROM n;
         UPDATE t SET a = 1 WHERE CAST(k AS INTEGER) % 2 = 0;
         UPDATE t SET a = 2 WHERE k = '0500';
         UPDATE t SET a = 3, b = 3 WHERE CAST(k AS INTEGER) % 50 < 3;
         DELETE FROM t WHERE k IN ('0001', '0002', '0998', '0999')",
    );
    for (key, expected) in [
        ("0000", "a:3:1 b:2:1"),
        ("0051", "a:2:1 b:2:1"),
        ("0500", "a:4:1 b:2:1"),
        ("0053", "a:1:1 b:1:1"),
        ("0054", "a:2:1 b:1:1"),
        ("0001", "-1:2:2"),
        ("0998", "-1:2:2"),
    ] {
        assert_eq!(clocks(&origin, key), expected, "{key}");
    }
    check(&origin, &["t"]);
}

#[test]
fn a_write_that_waits_survives_what_is_rolled_back_after_it() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('x', 0, 0), ('y', 0, 0); UPDATE t SET a = 1;
         BEGIN;
         UPDATE t SET a = 2 WHERE k = 'x';
         SAVEPOINT s;
         UPDATE t SET b = 1 WHERE k = 'x';
         DELETE FROM t WHERE k = 'y'",
    );
    // Reading writes what waits; the rollback undoes that too.
    assert_eq!(clocks(&origin, "x"), "a:3:1 b:2:1");
    assert_eq!(clocks(&origin, "y"), "-1:2:2");
    exec(&origin, "ROLLBACK TO s");
    assert_eq!(clocks(&origin, "x"), "a:3:1 b:1:1");
    assert_eq!(clocks(&origin, "y"), "a:2:1 b:1:1");
    exec(&origin, "UPDATE t SET a = 3; COMMIT");
    assert_eq!(clocks(&origin, "x"), "a:4:1 b:1:1");
    assert_eq!(clocks(&origin, "y"), "a:3:1 b:1:1");
    check(&origin, &["t"]);
}

#[test]
fn an_update_of_a_row_that_was_made_again_unrecorded_begins_its_next_life() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('x', 0, 0), ('y', 0, 0); DELETE FROM t;
         SELECT crsql_internal_sync_bit(1);
         INSERT INTO t VALUES ('x', 1, 1), ('y', 1, 1);
         SELECT crsql_internal_sync_bit(0);
         BEGIN; UPDATE t SET a = 2; DELETE FROM t WHERE k = 'y'; COMMIT",
    );
    assert_eq!(clocks(&origin, "x"), "-1:3:3 a:2:3 b:1:3");
    assert_eq!(clocks(&origin, "y"), "-1:4:4");
    check(&origin, &["t"]);
}
