//! Metadata that was damaged: found, named, and mended where that is possible.

use crate::checks::{assert_same, check, create_crr, exec, one, refusal, rows};
use crate::support::{changes, merge, open_memory};
use crate::{adopt, assert_clean, problems};
use rusqlite::Connection;
use rusqlite::types::Value;

fn prepared() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    create_crr(
        &connection,
        "p",
        "CREATE TABLE p(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4); INSERT INTO p VALUES ('x', 1), ('y', 2);
         UPDATE t SET a = 'A' WHERE k = 1; UPDATE t SET a = 'B', b = 22 WHERE k = 2; DELETE FROM t WHERE k = 3;
         DELETE FROM t WHERE k = 4; INSERT INTO t VALUES (4, 'D', 44);",
    );
    assert_clean(&connection, "before");
    connection
}

/// Does the damage, finds these problems, adopts `t`, and finds none.
fn mended(damage: &str, found: &[&str], adopted: i64) -> Connection {
    let connection = prepared();
    let peer = crate::checks::empty_replica(&connection, &["t", "p"]);
    merge(&peer, &changes(&connection, 0));
    let since: i64 = one(&connection, "SELECT crsql_db_version()");
    exec(&connection, damage);
    assert_eq!(problems(&connection), found, "{damage}");
    assert_eq!(adopt(&connection, "t"), adopted, "{damage}");
    assert_clean(&connection, damage);
    merge(&peer, &changes(&connection, since));
    assert_same(&connection, &peer, &["t", "p"], damage);
    check(&connection, &["t", "p"]);
    connection
}

/// Does the damage and finds these problems.
fn found(damage: &str, expected: &[&str]) -> Connection {
    let connection = prepared();
    exec(&connection, damage);
    assert_eq!(problems(&connection), expected, "{damage}");
    connection
}

#[test]
fn log_entries_that_are_gone_are_made_again() {
    // The update of row 1; then everything but the first inserts.
    mended(
        "DELETE FROM crsql_log WHERE tbl = 1 AND db_version = 3",
        &["t|1|log entry missing"],
        1,
    );
    mended(
        "DELETE FROM crsql_log WHERE tbl = 1 AND db_version > 1",
        &[
            "t|1|log entry missing",
            "t|2|log entry missing",
            "t|3|log entry missing",
            "t|4|log entry missing",
        ],
        4,
    );
    // The first inserts: rows 2 to 4 don't need them any more.
    mended(
        "DELETE FROM crsql_log WHERE tbl = 1 AND db_version = 1",
        &["t|1|log entry missing"],
        1,
    );
}

#[test]
fn entries_of_another_author_or_too_short_are_made_again() {
    let of_update = "tbl = 1 AND db_version = 4";
    mended(
        &format!("UPDATE crsql_log SET stride = 1 WHERE {of_update}"),
        &["t|2|log entry missing"],
        1,
    );
    mended(
        &format!(
            "INSERT INTO crsql_site_id VALUES (x'05', 5); UPDATE crsql_log SET site = 5 WHERE {of_update}"
        ),
        &["t|2|log entry missing"],
        1,
    );
}

#[test]
fn the_entry_of_another_row_stays_where_it_is() {
    // The record of row 1 names the place of the update of row 2.
    mended(
        "UPDATE crsql_rows_1 SET clock = x'0101000104000001000200' WHERE key = 1",
        &["t|1|log entry missing", "t|1|listed twice"],
        1,
    );
}

#[test]
fn versions_stay_when_entries_are_made_again() {
    let connection = mended(
        "DELETE FROM crsql_log WHERE tbl = 1 AND db_version > 1",
        &[
            "t|1|log entry missing",
            "t|2|log entry missing",
            "t|3|log entry missing",
            "t|4|log entry missing",
        ],
        4,
    );
    let sql = "SELECT col_version, cl FROM crsql_changes WHERE \"table\" = 't' AND pk = crsql_pack_columns(2)";
    let two = Value::Integer(2);
    assert_eq!(
        rows(&connection, sql),
        [[two.clone(), Value::Integer(1)], [two, Value::Integer(1)]]
    );
}

#[test]
fn a_damaged_record_gives_way_to_a_new_life() {
    for damage in [
        "UPDATE crsql_rows_1 SET clock = x'02' WHERE key = 2",
        "UPDATE crsql_rows_1 SET clock = 'text' WHERE key = 2",
        "UPDATE crsql_rows_1 SET cl = 3 WHERE key = 2",
        "UPDATE crsql_rows_1 SET cl = 2 WHERE key = 2",
        // Two groups of one column, and a group without cells
        "UPDATE crsql_rows_1 SET clock = x'01010002030000010002000400000100030000' WHERE key = 2",
        "UPDATE crsql_rows_1 SET clock = x'0101000103000000' WHERE key = 2",
    ] {
        let connection = mended(damage, &["t|2|record damaged"], 1);
        let row = "SELECT a || b FROM t WHERE k = 2";
        assert_eq!(one::<String>(&connection, row), "B22", "{damage}");
        exec(&connection, "UPDATE t SET a = 'again' WHERE k = 2");
    }
    let damage = "UPDATE crsql_rows_1 SET clock = x'' WHERE key = 3";
    let connection = mended(damage, &["t|3|record damaged"], 1);
    let cl = "SELECT cl FROM crsql_rows_1 WHERE key = 3";
    assert_eq!(one::<i64>(&connection, cl), 4, "deleted once more");
}

#[test]
fn a_record_whose_causal_length_is_damaged_too_can_only_be_restored() {
    let connection = found(
        "UPDATE crsql_rows_1 SET cl = -1 WHERE key = 2",
        &["t|2|record damaged"],
    );
    let text = refusal(&connection, "SELECT crsql_adopt('t')");
    assert_eq!(
        text,
        "crsql: a clock record of table \"t\" is damaged, and so is its causal length; restore the file, or rebuild it \
         from a peer"
    );
}

#[test]
fn records_under_impossible_keys_are_found() {
    found(
        "INSERT INTO crsql_rows_2 VALUES ('text', 1, x'010100'), (x'0109', 1, x'010100'), (x'0209010901', 1, x'010100')",
        &["p||record damaged"; 3],
    );
}

#[test]
fn rows_of_the_log_that_cannot_be_read_are_found() {
    for (damage, problems) in [
        (
            "UPDATE crsql_log SET keys = 0 WHERE tbl = 2",
            &[
                "p||log damaged",
                "p|'x'|row not recorded",
                "p|'y'|row not recorded",
            ][..],
        ),
        (
            "UPDATE crsql_log SET keys = 3 WHERE tbl = 2",
            &[
                "p||log damaged",
                "p|'x'|row not recorded",
                "p|'y'|row not recorded",
            ],
        ),
        (
            "UPDATE crsql_log SET key = 7, keys = 1 WHERE tbl = 2",
            &[
                "p||log damaged",
                "p|'x'|row not recorded",
                "p|'y'|row not recorded",
            ],
        ),
        (
            "UPDATE crsql_log SET stride = 1 << 62 WHERE tbl = 2",
            &[
                "p||log damaged",
                "p|'x'|row not recorded",
                "p|'y'|row not recorded",
            ],
        ),
        (
            "UPDATE crsql_log SET seq = -1 WHERE tbl = 2",
            &[
                "p||log damaged",
                "p|'x'|row not recorded",
                "p|'y'|row not recorded",
            ],
        ),
        (
            "UPDATE crsql_log SET site = 9 WHERE tbl = 2",
            &["p||unknown site"],
        ),
        (
            "INSERT INTO crsql_log VALUES (1, 7, 0, 2, x'010b017a', 1, 1); INSERT INTO p VALUES ('w', 1)",
            &["p||log damaged", "p|'z'|row missing"],
        ),
        (
            "INSERT INTO crsql_log VALUES (1, 900, 0, 77, 1, 1, 1)",
            &["||unknown table"],
        ),
    ] {
        found(damage, problems);
    }
}

#[test]
fn a_damaged_registry_is_found() {
    for (damage, problems) in [
        (
            "INSERT INTO crsql_columns SELECT 9, 0, 'x', 0, 1, 0, NULL",
            &["||unknown table"][..],
        ),
        ("CREATE TABLE crsql_rows_9 (key)", &["||unknown table"]),
        (
            "CREATE TRIGGER crsql_9_insert AFTER INSERT ON crsql_log BEGIN SELECT 1; END",
            &["||unknown table"],
        ),
        (
            "INSERT INTO crsql_master VALUES ('crsql_db_version_floor', 'x')",
            &["||setting damaged"],
        ),
        (
            "INSERT INTO crsql_site_id VALUES (x'', 4)",
            &["||unknown site"],
        ),
        (
            "INSERT INTO crsql_site_id VALUES (x'00112233445566778899aabbccddeeff00', 4)",
            &["||unknown site"],
        ),
        (
            "INSERT INTO crsql_site_id VALUES ('text', 4)",
            &["||unknown site"],
        ),
    ] {
        found(damage, problems);
    }
}

#[test]
fn a_lost_table_of_records_can_only_be_restored() {
    let connection = prepared();
    exec(&connection, "DROP TABLE crsql_rows_1");
    let first = problems(&connection).remove(0);
    assert_eq!(first, "t||records missing");
    assert_eq!(
        refusal(&connection, "SELECT crsql_adopt('t')"),
        "crsql: the table of the clock records of table \"t\" is gone; restore the file, or rebuild it from a peer"
    );
}

#[test]
fn keys_that_no_peer_could_take_are_found_and_refused() {
    let connection = prepared();
    crate::unrecorded(
        &connection,
        "DROP TRIGGER crsql_2_insert; INSERT INTO p VALUES (CAST(x'ff' AS TEXT), 1)",
    );
    assert_eq!(
        problems(&connection),
        ["p||trigger missing", "p||unusable key"]
    );
    assert_eq!(
        refusal(&connection, "SELECT crsql_adopt('p')"),
        "crsql: table \"p\" can't be adopted: a row has NULL, or text that is not valid UTF-8, in its key, which peers \
         can't take; drop the capture triggers of the table, change that key, and call crsql_adopt"
    );
    assert_eq!(problems(&connection).len(), 2, "undone as a whole");
    assert_eq!(
        refusal(&connection, "DELETE FROM p WHERE k = 'x'"),
        "crsql: this table has lost capture triggers, so that its writes can't all be recorded; call crsql_check() to \
         see which it is, and crsql_adopt('table') to mend it"
    );
    crate::tables_found::drop_triggers(&connection, "p");
    exec(&connection, "DELETE FROM p WHERE k = CAST(x'ff' AS TEXT)");
    assert_eq!(adopt(&connection, "p"), 0);
    assert_clean(&connection, "without that key");
}
