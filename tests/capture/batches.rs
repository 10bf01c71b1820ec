//! Records that are written together say what records say that are written one by one.

use crate::checks::{check, create_crr, exec, rows};
use crate::support::open_memory;
use rusqlite::Connection;
use rusqlite::limits::Limit;
use rusqlite::types::Value;

/// More than are kept in memory where they come in the order of their keys.
const ROWS: i64 = 4_700;

/// A table, and the key of row `n`, which ascends with it.
const KEYS: [(&str, &str); 5] = [
    ("CREATE TABLE t(k INTEGER PRIMARY KEY, n, a, b)", "n - 2350"),
    (
        "CREATE TABLE t(k INTEGER PRIMARY KEY, n, a, b)",
        "iif(n < 2350, -9223372036854775807 + (n - 2), 9223372036854775807 - 4700 + n)",
    ),
    (
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, n, a, b)",
        "printf('%06d', n)",
    ),
    (
        "CREATE TABLE t(k BLOB PRIMARY KEY NOT NULL, n, a, b) WITHOUT ROWID",
        "CAST(printf('%06d', n) AS BLOB)",
    ),
    (
        "CREATE TABLE t(k INT NOT NULL, l TEXT NOT NULL DEFAULT 'l', n, a, b, PRIMARY KEY (k, l)) WITHOUT ROWID",
        "n + 70000",
    ),
];

/// What was written before: rows without a record, with one, in their second life, and deleted.
fn filled(create: &str, key: &str) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", create);
    exec(
        &connection,
        &format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
             INSERT INTO t (k, n, a, b) SELECT {key}, n, 0, 0 FROM n;
             CREATE INDEX t_n ON t (n);
             UPDATE t SET a = 1 WHERE n % 3 = 0;
             UPDATE t SET b = 1 WHERE n % 7 = 0;
             CREATE TEMP TABLE gone AS SELECT * FROM t WHERE n % 11 = 0 OR n BETWEEN 300 AND 400;
             DELETE FROM t WHERE n % 11 = 0 OR n BETWEEN 300 AND 400;
             INSERT INTO t SELECT * FROM gone WHERE n % 2 = 0;
             DROP TABLE gone"
        ),
    );
    connection
}

/// Statements on many rows in the order of their keys; each stands for one on a single row.
const WRITES: [&str; 4] = [
    "UPDATE t SET a = a + 1 WHERE n BETWEEN 1 AND 4700",
    "UPDATE t SET a = a + 1, b = 'b' WHERE n BETWEEN 1 AND 2500 AND n % 5 > 0",
    "DELETE FROM t WHERE n BETWEEN 2501 AND 4700 AND n % 13 = 0",
    "UPDATE t SET b = b || '.' WHERE n BETWEEN 1 AND 4700 AND n % 2 = 0",
];

/// What is reported of each cell, apart from when it was written.
fn clocks(connection: &Connection) -> Vec<Vec<Value>> {
    rows(
        connection,
        "SELECT pk, cid, val, col_version, cl FROM crsql_changes ORDER BY pk, cid",
    )
}

fn one_by_one(connection: &Connection) {
    for write in WRITES {
        let mut statement = connection
            .prepare(&format!("{write} AND n = ?1"))
            .expect("a write");
        for n in 1..=ROWS {
            statement.execute([n]).expect("a write of one row");
        }
    }
}

fn together(connection: &Connection) {
    exec(
        connection,
        &format!("{}; BEGIN; {}; COMMIT", WRITES[0], WRITES[1..].join("; ")),
    );
}

#[test]
fn records_written_together_equal_those_written_one_by_one() {
    for (create, key) in KEYS {
        let (many, single) = (filled(create, key), filled(create, key));
        together(&many);
        one_by_one(&single);
        assert_eq!(clocks(&many), clocks(&single), "{create} {key}");
        check(&many, &["t"]);
    }
}

/// The limits of the application forbid the statement on many records.
#[test]
fn limits_of_the_application_change_no_record() {
    let limits = [
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 40),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 400),
    ];
    let (create, key) = KEYS[0];
    let free = filled(create, key);
    together(&free);
    for (limit, value) in limits {
        let bounded = filled(create, key);
        bounded.set_limit(limit, value).expect("a limit");
        together(&bounded);
        let unbounded = 1_000_000;
        bounded.set_limit(limit, unbounded).expect("a limit");
        assert_eq!(clocks(&bounded), clocks(&free), "{limit:?}");
        check(&bounded, &["t"]);
    }
}

/// What is written between rows while a savepoint is set goes back with it.
#[test]
fn records_that_were_written_in_a_savepoint_are_rolled_back_with_it() {
    for (create, key) in [KEYS[0], KEYS[2]] {
        let connection = filled(create, key);
        let before = clocks(&connection);
        exec(
            &connection,
            &format!(
                "BEGIN; SAVEPOINT s; {0}; {2}; {1}; ROLLBACK TO s; RELEASE s; COMMIT",
                WRITES[0], WRITES[1], WRITES[2]
            ),
        );
        assert_eq!(clocks(&connection), before, "{create}");
        exec(
            &connection,
            &format!(
                "BEGIN; {0}; SAVEPOINT s; {1}; {2}; ROLLBACK TO s; COMMIT",
                WRITES[0], WRITES[1], WRITES[2]
            ),
        );
        let other = filled(create, key);
        exec(&other, WRITES[0]);
        assert_eq!(clocks(&connection), clocks(&other), "{create}");
        check(&connection, &["t"]);
    }
}

/// Two tables share a buffer that is written again and again in the middle of a statement.
#[test]
fn tables_in_turn_are_written_between_rows() {
    let connection = open_memory();
    create_crr(&connection, "t", KEYS[0].0);
    create_crr(
        &connection,
        "u",
        "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    exec(
        &connection,
        &format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
             INSERT INTO t (k, n, a, b) SELECT n, n, 0, 0 FROM n;
             INSERT INTO u SELECT printf('%06d', n), 0 FROM t;
             UPDATE u SET a = 1 WHERE k % 2 = 0;
             CREATE TRIGGER both AFTER UPDATE ON t BEGIN UPDATE u SET a = a + 1 WHERE k = printf('%06d', new.n); END;
             UPDATE t SET a = 1;
             BEGIN; UPDATE t SET a = 2, b = 1; UPDATE t SET a = 3; COMMIT"
        ),
    );
    check(&connection, &["t", "u"]);
    let versions = rows(
        &connection,
        "SELECT \"table\", cid, min(col_version), max(col_version), min(val), max(val) FROM crsql_changes
         WHERE cid IN ('a', 'b') GROUP BY 1, 2 ORDER BY 1, 2",
    );
    let text = |text: &str| Value::Text(text.to_owned());
    let row = |table, cid, numbers: [i64; 4]| {
        let mut row = vec![text(table), text(cid)];
        row.extend(numbers.map(Value::Integer));
        row
    };
    assert_eq!(
        versions,
        [
            row("t", "a", [4, 4, 3, 3]),
            row("t", "b", [2, 2, 1, 1]),
            row("u", "a", [4, 5, 3, 4]),
        ]
    );
}

/// Whether a row is looked up before its record is written depends on the row before it.
#[test]
fn lone_updates_of_rows_with_and_without_a_record_in_turn() {
    let connection = open_memory();
    let tables = [
        ("t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)", "n"),
        (
            "u",
            "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, a, b)",
            "'k' || n",
        ),
    ];
    for (table, create, key) in tables {
        create_crr(&connection, table, create);
        exec(
            &connection,
            &format!(
                "WITH RECURSIVE n(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 29)
                 INSERT INTO {table} SELECT {key}, 0, 0 FROM n"
            ),
        );
    }
    // New, new, known, new, known, known, ...: each kind follows each.
    let order = [10, 11, 10, 12, 11, 10, 13, 14, 14, 13, 15, 16, 10, 17];
    let mut expected = vec![0_i64; 30];
    for n in order {
        exec(
            &connection,
            &format!(
                "UPDATE t SET a = a + 1 WHERE k = {n}; UPDATE u SET a = a + 1 WHERE k = 'k{n}'"
            ),
        );
        expected[n] += 1;
    }
    // A deleted row has a record, too.
    exec(
        &connection,
        "DELETE FROM t WHERE k = 20; UPDATE t SET b = 1 WHERE k = 21; SELECT crsql_internal_sync_bit(1);
         INSERT INTO t VALUES (20, 0, 0); SELECT crsql_internal_sync_bit(0); UPDATE t SET a = 1 WHERE k = 20;
         INSERT INTO u VALUES ('new', 0, 0); UPDATE u SET a = 1 WHERE k = 'new'",
    );
    let found = rows(
        &connection,
        "SELECT val, col_version FROM crsql_changes WHERE \"table\" = 't' AND cid = 'a' AND val > 0 AND cl = 1 ORDER BY pk",
    );
    let wanted: Vec<Vec<Value>> = expected
        .iter()
        .filter(|count| **count > 0)
        .map(|count| vec![Value::Integer(*count), Value::Integer(*count + 1)])
        .collect();
    assert_eq!(found, wanted);
    check(&connection, &["t", "u"]);
}

/// More records than a buffer ever holds: it is written in the middle of a statement, also where a savepoint is set.
#[test]
fn a_full_buffer_that_was_written_in_a_savepoint_is_rolled_back_with_it() {
    let written = |key: &str, writes: &str| {
        let connection = open_memory();
        create_crr(
            &connection,
            "t",
            "CREATE TABLE t(k PRIMARY KEY NOT NULL, a, b)",
        );
        exec(
            &connection,
            &format!(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 66000)
                 INSERT INTO t SELECT {key}, n, 0 FROM n;
                 UPDATE t SET b = 1 WHERE a % 7 = 0;
                 BEGIN; {writes}; COMMIT"
            ),
        );
        check(&connection, &["t"]);
        clocks(&connection)
    };
    // In the order of the keys, and in none.
    for key in ["n", "hex(n * 2654435761 % 4294967296)"] {
        let kept = "UPDATE t SET b = 3 WHERE a % 3 = 0";
        let undone = "UPDATE t SET b = 2; DELETE FROM t WHERE a % 2 = 0";
        let both = format!("SAVEPOINT r; {kept}; SAVEPOINT s; {undone}; ROLLBACK TO s; RELEASE r");
        assert!(written(key, &both) == written(key, kept));
    }
}
