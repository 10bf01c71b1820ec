//! Writes whose clock is looked up only when it is written.

use crate::checks::{check, check_partial, create_crr, exec, one, refusal};
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

#[test]
fn a_late_column_keeps_its_default_unset_in_rows_that_are_updated() {
    for create in [
        TABLE,
        "CREATE TABLE t(k INTEGER PRIMARY KEY NOT NULL, a, b)",
    ] {
        let origin = open_memory();
        create_crr(&origin, "t", create);
        // The first update waits when the column comes, the others come when it is there.
        exec(
            &origin,
            "INSERT INTO t VALUES ('1', 0, 0), ('2', 0, 0), ('3', 0, 0), ('4', 0, 0);
             BEGIN;
             UPDATE t SET a = 1 WHERE k = '1';
             ALTER TABLE t ADD COLUMN z DEFAULT 'd';
             UPDATE t SET a = 1 WHERE k = '2';
             UPDATE t SET z = 'new' WHERE k IN ('1', '3');
             COMMIT;
             UPDATE t SET z = 'newer', b = 1 WHERE k IN ('3', '4');
             UPDATE t SET z = 'newer' WHERE k = '4'",
        );
        let of = |key: &str| {
            one::<String>(
                &origin,
                &format!(
                    "SELECT group_concat(cid || ':' || col_version, ' ' ORDER BY cid) FROM crsql_changes
                     WHERE pk = (SELECT crsql_pack_columns(k) FROM t WHERE k = '{key}')"
                ),
            )
        };
        assert_eq!(of("1"), "a:2 b:1 z:1");
        assert_eq!(of("2"), "a:2 b:1", "the default of z is no write");
        assert_eq!(of("3"), "a:1 b:2 z:2");
        assert_eq!(of("4"), "a:1 b:2 z:1");
        check_partial(&origin, &["t"]);
    }
}

#[test]
fn what_a_failing_statement_leaves_is_recorded_and_no_more() {
    for key in ["INTEGER", "TEXT"] {
        let origin = open_memory();
        create_crr(
            &origin,
            "t",
            &format!("CREATE TABLE t(k {key} PRIMARY KEY NOT NULL, a CHECK (a < 10), b)"),
        );
        exec(
            &origin,
            "INSERT INTO t VALUES (1, 1, 0), (2, 2, 0), (3, 9, 0), (4, 1, 0); BEGIN",
        );
        let versions = || {
            one::<String>(
                &origin,
                "SELECT group_concat(col_version, ' ' ORDER BY pk) FROM crsql_changes WHERE cid = 'a'",
            )
        };
        refusal(&origin, "UPDATE OR FAIL t SET a = a + 5");
        refusal(&origin, "UPDATE OR ABORT t SET a = a + 2 WHERE k > 2");
        refusal(&origin, "UPDATE t SET a = a + 3 WHERE k IN (1, 3)");
        exec(&origin, "UPDATE t SET b = 1; DELETE FROM t WHERE k = 4");
        assert_eq!(versions(), "2 2 1");
        refusal(&origin, "UPDATE OR FAIL t SET a = a + 1");
        exec(&origin, "COMMIT");
        assert_eq!(versions(), "3 3 1");
        check(&origin, &["t"]);
    }
}

#[test]
fn a_row_whose_write_waits_may_move_go_and_come_again() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('m', 0, 0), ('d', 0, 0), ('r', 0, 0), ('o', 0, 0), ('p', 0, 0);
         UPDATE t SET b = 1 WHERE k IN ('d', 'r');
         BEGIN;
         UPDATE t SET a = 1;
         UPDATE t SET k = 'n' WHERE k = 'm';
         DELETE FROM t WHERE k IN ('d', 'r');
         INSERT INTO t VALUES ('r', 2, 2);
         UPDATE OR REPLACE t SET k = 'p' WHERE k = 'o';
         COMMIT",
    );
    assert_eq!(clocks(&origin, "m"), "-1:2:2");
    // Its cells go on from those that it had under its former key.
    assert_eq!(clocks(&origin, "n"), "-1:1:1 a:3:1 b:2:1");
    assert_eq!(clocks(&origin, "d"), "-1:2:2");
    assert_eq!(clocks(&origin, "r"), "-1:3:3 a:1:3 b:1:3");
    assert_eq!(clocks(&origin, "o"), "-1:2:2");
    assert_eq!(clocks(&origin, "p"), "-1:1:1 a:3:1 b:2:1");
    check(&origin, &["t"]);
}

#[test]
fn a_merge_meets_rows_whose_writes_wait() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('w', 0, 0), ('l', 0, 0), ('d', 0, 0), ('x', 0, 0); UPDATE t SET b = 1 WHERE k = 'l';
         BEGIN;
         UPDATE t SET a = 1 WHERE k IN ('w', 'l', 'd');
         DELETE FROM t WHERE k = 'x';
         INSERT INTO crsql_changes(\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq) VALUES
             ('t', crsql_pack_columns('w'), 'a', 'theirs', 3, 9, x'aa', 1, 0),
             ('t', crsql_pack_columns('l'), 'a', 'theirs', 1, 9, x'aa', 1, 1),
             ('t', crsql_pack_columns('d'), '-1', NULL, 2, 9, x'aa', 2, 2),
             ('t', crsql_pack_columns('x'), 'a', 'theirs', 7, 9, x'aa', 1, 3);
         UPDATE t SET b = 2 WHERE k IN ('w', 'l');
         COMMIT",
    );
    assert_eq!(clocks(&origin, "w"), "a:3:1 b:2:1");
    assert_eq!(clocks(&origin, "l"), "a:2:1 b:3:1");
    assert_eq!(clocks(&origin, "d"), "-1:2:2");
    assert_eq!(clocks(&origin, "x"), "-1:2:2");
    let values: String = one(&origin, "SELECT group_concat(k || a || b) FROM t");
    assert_eq!(values, "wtheirs2,l12");
    check(&origin, &["t"]);
}

#[test]
fn all_that_reads_records_sees_writes_that_wait() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('x', 0, 0), ('y', 0, 0), ('z', 0, 0); SELECT crsql_digest()",
    );
    for question in [
        "SELECT hex(crsql_digest())",
        "SELECT group_concat(hex(pk) || cid || col_version || cl) FROM crsql_changes",
        "SELECT hex(crsql_changeset(0))",
        "SELECT group_concat(tombstones || ' ' || log_entries) FROM crsql_status",
        "SELECT count(*) || ' problems' FROM crsql_check",
        "SELECT hex(crsql_reconcile())",
    ] {
        let before: String = one(&origin, &format!("SELECT coalesce(({question}), '')"));
        exec(
            &origin,
            "BEGIN; UPDATE t SET a = a + 1; DELETE FROM t WHERE k = 'y'",
        );
        let inside: String = one(&origin, &format!("SELECT coalesce(({question}), '')"));
        exec(&origin, "COMMIT");
        let after: String = one(&origin, &format!("SELECT coalesce(({question}), '')"));
        assert_eq!(inside, after, "{question}");
        assert_eq!(
            inside == before,
            question.contains("crsql_check"),
            "{question}"
        );
        exec(&origin, "INSERT INTO t VALUES ('y', 0, 0)");
    }
    check(&origin, &["t"]);
}

#[test]
fn a_temporary_trigger_is_heeded_from_the_statement_on_that_makes_it() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO t VALUES ('x', 0, 0), ('y', 0, 0);
         BEGIN;
         UPDATE t SET a = 1;
         CREATE TEMP TRIGGER again AFTER DELETE ON t BEGIN INSERT INTO t VALUES (OLD.k, 'again', 0); END;
         DELETE FROM t WHERE k = 'x';
         DROP TRIGGER again;
         DELETE FROM t WHERE k = 'y';
         COMMIT",
    );
    let rows: String = one(&origin, "SELECT group_concat(k || a) FROM t");
    assert_eq!(rows, "xagain");
    check(&origin, &["t"]);
}
