//! What counts as a change, values at the edges of their types, and many rows at once.

use rusqlite::types::Value;

use crate::checks::{check, create_crr, exec, one, rows};
use crate::support::open_memory;
use crate::{SHAPES, Step::Runs, captures_on};

#[test]
fn text_that_is_no_utf8_travels_as_it_is() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    exec(
        &origin,
        "INSERT INTO t VALUES (1, CAST(x'61ff00c3' AS TEXT), 'b')",
    );
    exec(
        &origin,
        "INSERT INTO crsql_changes SELECT \"table\", x'010902', cid, val, col_version, db_version, x'01', cl, seq FROM crsql_changes",
    );
    assert_eq!(
        rows(&origin, "SELECT k, typeof(a), hex(a) FROM t"),
        [1, 2].map(|key| vec![
            Value::Integer(key),
            Value::Text("text".into()),
            Value::Text("61FF00C3".into())
        ])
    );
}

#[test]
fn values_at_the_edges() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    create_crr(&origin, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, n)");
    captures_on(
        &origin,
        &[
            Runs(
                "INSERT INTO t VALUES (1, 2, 9e999), (2, 2.0, -9e999), (3, '2', ''), (4, x'32', x''), (5, -0.0, 5e-324)",
            ),
            Runs(
                "INSERT INTO t VALUES (6, 9223372036854775807, -9223372036854775808), (7, 'nul' || char(0) || 'nul', '😀'), (8, zeroblob(300000), NULL)",
            ),
            Runs("UPDATE t SET a = 2.0 WHERE k = 1"),
            Runs("UPDATE t SET a = '2.0' WHERE k = 1"),
            Runs("UPDATE t SET a = x'322e30' WHERE k = 1"),
            Runs("UPDATE t SET a = NULL WHERE k = 1"),
            Runs("UPDATE t SET b = replace(hex(zeroblob(300000)), '0', 'é') WHERE k = 8"),
        ],
    );
    // Each of the four updates of row 1 above changed the storage class, which counts.
    assert_eq!(
        one::<i64>(
            &origin,
            "SELECT col_version FROM crsql_changes WHERE pk = x'010901' AND cid = 'a'"
        ),
        5
    );
}

#[test]
fn a_change_of_case_counts_in_a_nocase_column() {
    let origin = open_memory();
    create_crr(
        &origin,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM)",
    );
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 'abc', 'abc'); UPDATE t SET a = 'ABC'; UPDATE t SET b = 'abc  '",
    );
    check(&origin, &["t"]);
    assert_eq!(
        one::<i64>(&origin, "SELECT min(col_version) FROM crsql_changes"),
        2
    );
}

#[test]
fn a_no_op_uses_no_version() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    exec(&origin, "INSERT INTO t VALUES (1, 1, 0.0)");
    for sql in [
        "UPDATE t SET a = 1",
        "UPDATE t SET a = a, b = b, k = k",
        "UPDATE t SET b = -0.0",
        "DELETE FROM t WHERE k = 2",
        "INSERT OR IGNORE INTO t VALUES (1, 2, 3)",
    ] {
        exec(&origin, sql);
        assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 1, "{sql}");
    }
    exec(&origin, "UPDATE t SET a = 2");
    assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 2);
}

#[test]
fn tables_share_one_version_and_one_run_of_seqs() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    create_crr(
        &origin,
        "j",
        "CREATE TABLE j(x, y, PRIMARY KEY (x, y)) WITHOUT ROWID",
    );
    exec(
        &origin,
        "BEGIN; INSERT INTO t VALUES (1, 2, 3); INSERT INTO j VALUES (4, 5); INSERT INTO t VALUES (6, 7, 8); COMMIT",
    );
    let seen = rows(
        &origin,
        "SELECT \"table\", cid, db_version, seq FROM crsql_changes",
    );
    let expected = [
        ("t", "a", 0),
        ("t", "b", 1),
        ("j", "-1", 2),
        ("t", "a", 3),
        ("t", "b", 4),
    ];
    let expected = expected.map(|(table, cid, seq)| {
        vec![
            Value::Text(table.into()),
            Value::Text(cid.into()),
            Value::Integer(1),
            Value::Integer(seq),
        ]
    });
    assert_eq!(seen, expected);
}

#[test]
fn a_hundred_thousand_rows_in_one_statement() {
    let origin = open_memory();
    create_crr(&origin, "t", SHAPES[0]);
    create_crr(
        &origin,
        "u",
        "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, n)",
    );
    let numbers =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
    exec(
        &origin,
        &format!("INSERT INTO t(k, a) {numbers} SELECT i, 'row ' || i FROM n"),
    );
    assert_eq!(
        one::<i64>(
            &origin,
            "SELECT count(*) FROM crsql_changes WHERE db_version = 1"
        ),
        200_000
    );
    assert_eq!(
        one::<i64>(&origin, "SELECT max(seq) FROM crsql_changes"),
        199_999
    );
    exec(&origin, "INSERT INTO u SELECT a, k FROM t WHERE k % 10 = 0");
    exec(
        &origin,
        "UPDATE t SET b = k WHERE k % 3 = 0; DELETE FROM t WHERE k % 5 = 0",
    );
    check(&origin, &["t", "u"]);
}

#[test]
fn rows_that_are_ignored_do_not_slow_down_the_rest() {
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80000)";
    let seconds = |sql: &str| {
        let origin = open_memory();
        create_crr(&origin, "t", SHAPES[1]);
        exec(
            &origin,
            &format!("INSERT INTO t(k, a) {numbers} SELECT i, i FROM n WHERE i <= 40000"),
        );
        let start = std::time::Instant::now();
        exec(&origin, sql);
        let elapsed = start.elapsed().as_secs_f64();
        assert_eq!(
            one::<i64>(&origin, "SELECT count(*) FROM crsql_changes"),
            160_000,
            "{sql}"
        );
        elapsed
    };
    let plain = seconds(&format!(
        "INSERT INTO t(k, a) {numbers} SELECT i, i FROM n WHERE i > 40000"
    ));
    for sql in [
        format!("INSERT OR IGNORE INTO t(k, a) {numbers} SELECT i, i FROM n"),
        format!(
            "INSERT INTO t(k, a) {numbers} SELECT i, i FROM n WHERE true ON CONFLICT DO NOTHING"
        ),
    ] {
        // The quicker of two: other processes may run beside the test.
        let ignoring = seconds(&sql).min(seconds(&sql));
        assert!(
            ignoring < plain * 8.0 + 0.3,
            "{ignoring} s beside {plain} s for {sql}"
        );
    }
}
