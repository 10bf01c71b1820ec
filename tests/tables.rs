//! Every kind of table that `crsql_as_crr` accepts, from upgrade to a second replica and back.
//!
//! Each shape is upgraded with rows in it, written to in every way (key changes included), pulled
//! step by step by a second replica, edited there and merged back; both ends stay equal throughout.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "tables/keys.rs"]
mod keys;

#[path = "tables/names.rs"]
mod names;

#[path = "tables/refusals.rs"]
mod refusals;

use checks::{Follower, assert_same, check, create_crr, exec, one, upgrade};
use rusqlite::Connection;
use rusqlite::types::Value;
use support::{changes, merge, open_memory};

/// A table with the statements that are run before the upgrade, after it, and on the other replica.
struct Shape<'a> {
    table: &'a str,
    create: &'a str,
    before: &'a [&'a str],
    /// Changes that the upgrade must report for the rows of `before`.
    backfilled: usize,
    after: &'a [&'a str],
    there: &'a [&'a str],
}

fn travels(shape: &Shape<'_>) {
    let tables = &[shape.table];
    let origin = open_memory();
    exec(&origin, shape.create);
    shape.before.iter().for_each(|sql| exec(&origin, sql));
    upgrade(&origin, shape.table);
    let backfill = changes(&origin, 0);
    assert_eq!(
        backfill.len(),
        shape.backfilled,
        "backfill of {}",
        shape.create
    );
    for (position, change) in backfill.iter().enumerate() {
        assert_eq!(
            (change.col_version, change.cl, change.db_version, change.seq),
            (1, 1, 1, position as i64),
            "backfilled {change:?}"
        );
    }
    let mut follower = Follower::new(&origin, tables);
    follower.pull(&origin, shape.create);
    for sql in shape.after {
        exec(&origin, sql);
        let pulled = follower.pull(&origin, sql);
        assert!(pulled > 0, "nothing recorded by {sql}");
    }
    for sql in shape.there {
        exec(&follower.replica, sql);
    }
    merge(&origin, &changes(&follower.replica, 0));
    assert_same(
        &origin,
        &follower.replica,
        tables,
        "edited there and merged back",
    );
    check(&origin, tables);
}

#[test]
fn integer_keys() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')",
        before: &[
            "INSERT INTO t(k, a) VALUES (-9223372036854775808, 1), (9223372036854775807, 2), (0, 3)",
        ],
        backfilled: 6,
        after: &[
            "INSERT INTO t(a) VALUES ('key from SQLite')",
            "INSERT INTO t VALUES (5, 'five', x'00'), (6, 'six', 0.5)",
            "UPDATE t SET a = 'other' WHERE k = 5",
            "UPDATE t SET k = 255, b = 'too' WHERE k = 5",
            "UPDATE t SET rowid = 256 WHERE k = 255",
            "UPDATE t SET k = -k WHERE k IN (6, 256)",
            "DELETE FROM t WHERE k = 0",
            "INSERT INTO t VALUES (0, 'again', NULL)",
        ],
        there: &[
            "UPDATE t SET b = 'there'",
            "DELETE FROM t WHERE k = -6",
            "UPDATE t SET k = 7 WHERE k = 0",
        ],
    });
}

#[test]
fn integer_key_declared_as_a_table_constraint_is_the_rowid_too() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(a, k INTEGER, b, PRIMARY KEY (k))",
        before: &["INSERT INTO t(a) VALUES ('x')"],
        backfilled: 2,
        after: &[
            "INSERT INTO t(a) VALUES ('y')",
            "UPDATE t SET _rowid_ = 9 WHERE a = 'y'",
            "DELETE FROM t WHERE k = 1",
        ],
        there: &["UPDATE t SET k = 10"],
    });
}

#[test]
fn integer_key_that_is_no_rowid() {
    // DESC on the column makes an ordinary index of it: the rowid is another number.
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k INTEGER PRIMARY KEY DESC NOT NULL, a)",
        before: &[
            "INSERT INTO t VALUES (10, 'a'), (20, 'b')",
            "DELETE FROM t WHERE k = 10",
        ],
        backfilled: 1,
        after: &[
            "INSERT INTO t VALUES (1, 'c')",
            "UPDATE t SET k = 30 WHERE k = 20",
            "UPDATE t SET a = 'd'",
            "DELETE FROM t WHERE k = 1",
        ],
        there: &["INSERT INTO t VALUES (2, 'e')"],
    });
}

#[test]
fn rowids_that_vacuum_renumbers() {
    let origin = open_memory();
    create_crr(
        &origin,
        "t",
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    let mut follower = Follower::new(&origin, &["t"]);
    exec(
        &origin,
        "INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3); DELETE FROM t WHERE k = 'x'",
    );
    exec(&origin, "UPDATE t SET a = 4 WHERE k = 'z'");
    follower.pull(&origin, "writes");
    exec(&origin, "VACUUM");
    assert_eq!(follower.pull(&origin, "VACUUM"), 0);
    exec(
        &origin,
        "UPDATE t SET a = 5 WHERE k = 'y'; INSERT INTO t VALUES ('w', 6)",
    );
    follower.pull(&origin, "writes after VACUUM");
    check(&origin, &["t"]);
}

#[test]
fn text_keys() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)",
        before: &[
            "INSERT INTO t VALUES ('', 1, 2), ('a' || char(0) || 'b', 1, 2), ('😀', 1, 2), (7, 1, 2)",
        ],
        backfilled: 8,
        after: &[
            "INSERT INTO t VALUES (replace(hex(zeroblob(40000)), '0', 'x'), 'long', NULL)",
            "UPDATE t SET a = NULL WHERE k = '7'",
            "UPDATE t SET k = 'A' WHERE k = ''",
            "INSERT INTO t VALUES ('a', 'another letter', NULL)",
            "DELETE FROM t WHERE k = '😀'",
        ],
        there: &[
            "UPDATE t SET b = k",
            "DELETE FROM t WHERE k = 'a'",
            "UPDATE t SET k = k || '!' WHERE k = 'A'",
        ],
    });
}

#[test]
fn blob_keys() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k BLOB PRIMARY KEY NOT NULL, a)",
        before: &["INSERT INTO t VALUES (x'', 1), (x'00', 2), ('text', 3), (3, 4)"],
        backfilled: 4,
        after: &[
            "INSERT INTO t VALUES (zeroblob(70000), 'long'), (x'74657874', 'the bytes of text')",
            "UPDATE t SET k = x'0000' WHERE k = x'00'",
            "UPDATE t SET a = zeroblob(70000) WHERE k = x''",
            "DELETE FROM t WHERE k = 'text'",
        ],
        there: &[
            "UPDATE t SET a = 'there' WHERE k = x'74657874'",
            "DELETE FROM t WHERE k = x''",
        ],
    });
}

#[test]
fn real_keys() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k REAL PRIMARY KEY NOT NULL, a REAL)",
        before: &[
            "INSERT INTO t VALUES (1, 1), (0.1, 0.1), (-0.0, -0.0), (1e300, 9e999), (9e999, 1)",
        ],
        backfilled: 5,
        after: &[
            "INSERT INTO t VALUES (5e-324, 5), (-9e999, 6), (9007199254740993, 7)",
            "UPDATE t SET k = 2 WHERE k = 1",
            "UPDATE t SET a = 3 WHERE k = 0",
            "DELETE FROM t WHERE k = 9e999",
        ],
        there: &[
            "UPDATE t SET k = k * 2 WHERE k = 0.1",
            "UPDATE t SET a = -a WHERE k = 5e-324",
        ],
    });
}

#[test]
fn composite_keys_in_another_order_than_the_columns() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(a, org TEXT NOT NULL, b, n INT NOT NULL, PRIMARY KEY (n, org))",
        before: &["INSERT INTO t VALUES (1, 'x', 2, 3), (4, 'y', 5, 3)"],
        backfilled: 4,
        after: &[
            "INSERT INTO t VALUES (0, 'x', 0, 4)",
            "UPDATE t SET n = 5 WHERE n = 4",
            "UPDATE t SET org = 'z' WHERE n = 5",
            "UPDATE t SET org = 'w', n = 6, a = 'moved' WHERE n = 5",
            "UPDATE t SET b = 'b'",
            "DELETE FROM t WHERE n = 3 AND org = 'y'",
        ],
        there: &[
            "UPDATE t SET n = n + 100",
            "INSERT INTO t VALUES ('there', 'x', 0, 3)",
        ],
    });
    let origin = open_memory();
    create_crr(
        &origin,
        "t",
        "CREATE TABLE t(y NOT NULL, z NOT NULL, PRIMARY KEY (z, y))",
    );
    exec(&origin, "INSERT INTO t(y, z) VALUES (1, 2)");
    assert_eq!(changes(&origin, 0)[0].pk, [2, 9, 2, 9, 1]);
}

#[test]
fn tables_of_keys_alone() {
    for create in [
        "CREATE TABLE t(x INT NOT NULL, y TEXT NOT NULL, PRIMARY KEY (x, y))",
        "CREATE TABLE t(x, y, PRIMARY KEY (x, y)) WITHOUT ROWID",
        "CREATE TABLE t(x INT NOT NULL, y TEXT NOT NULL, s AS (x || y), PRIMARY KEY (x, y))",
    ] {
        travels(&Shape {
            table: "t",
            create,
            before: &["INSERT INTO t VALUES (1, 'a'), (2, 'b')"],
            backfilled: 2,
            after: &[
                "INSERT INTO t VALUES (3, 'c'), (4, 'd')",
                "UPDATE t SET y = 'e' WHERE x = 3",
                "DELETE FROM t WHERE x = 1",
                "INSERT INTO t VALUES (1, 'a')",
                "DELETE FROM t WHERE x = 4",
            ],
            there: &[
                "DELETE FROM t WHERE x = 2",
                "INSERT INTO t VALUES (4, 'd')",
                "UPDATE t SET x = 9 WHERE x = 1",
            ],
        });
    }
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k INTEGER PRIMARY KEY)",
        before: &["INSERT INTO t VALUES (1)"],
        backfilled: 1,
        after: &[
            "INSERT INTO t DEFAULT VALUES",
            "UPDATE t SET k = 5 WHERE k = 1",
            "DELETE FROM t WHERE k = 2",
            "INSERT INTO t VALUES (2)",
        ],
        there: &["DELETE FROM t"],
    });
}

#[test]
fn without_rowid() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(a, k INTEGER PRIMARY KEY, b) WITHOUT ROWID",
        before: &["INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)"],
        backfilled: 4,
        after: &[
            "INSERT INTO t VALUES (3, 3, 3)",
            "UPDATE t SET k = 4 WHERE k = 3",
            "UPDATE t SET a = 'a'",
            "DELETE FROM t WHERE k = 1",
        ],
        there: &[
            "REPLACE INTO t VALUES ('r', 2, 'r')",
            "INSERT INTO t VALUES ('new', 1, 'new')",
        ],
    });
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(p TEXT, q BLOB, a, PRIMARY KEY (q DESC, p)) WITHOUT ROWID",
        before: &["INSERT INTO t VALUES ('p', x'01', 1)"],
        backfilled: 1,
        after: &[
            "INSERT INTO t VALUES ('p', x'02', 2)",
            "UPDATE t SET q = x'03' WHERE a = 1",
            "UPDATE t SET a = 5",
            "DELETE FROM t WHERE q = x'02'",
        ],
        there: &["UPDATE t SET a = 6"],
    });
}

#[test]
fn strict_tables() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, i INT, r REAL, b BLOB, any ANY) STRICT",
        before: &["INSERT INTO t VALUES ('k', 1, 2, x'03', '4')"],
        backfilled: 4,
        after: &[
            "INSERT INTO t VALUES ('l', 1, 2, x'03', 4.0), ('m', NULL, NULL, NULL, x'04')",
            "UPDATE t SET any = 4 WHERE k = 'k'",
            "UPDATE t SET any = '4' WHERE k = 'k'",
            "UPDATE t SET k = 'n' WHERE k = 'm'",
            "DELETE FROM t WHERE k = 'l'",
        ],
        there: &["UPDATE t SET any = 4.0, i = 9"],
    });
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k ANY NOT NULL, l INTEGER NOT NULL, v TEXT, PRIMARY KEY (k, l)) STRICT, WITHOUT ROWID",
        before: &[
            "INSERT INTO t VALUES ('1', 1, 'text'), (1, 1, 'integer'), (x'31', 1, 'blob'), (1.5, 1, 'real')",
        ],
        backfilled: 4,
        after: &[
            "UPDATE t SET v = v || '!'",
            "UPDATE t SET k = 2 WHERE k = '1'",
            "DELETE FROM t WHERE k = x'31'",
        ],
        there: &["DELETE FROM t WHERE k = 1"],
    });
}

#[test]
fn generated_columns_are_invisible() {
    for kind in ["STORED", "VIRTUAL"] {
        let create = format!(
            "CREATE TABLE t(g TEXT GENERATED ALWAYS AS (k || a) {kind}, k INTEGER PRIMARY KEY, \
             a INT, h INT NOT NULL AS (coalesce(a, 0) + 1) {kind}, b)"
        );
        travels(&Shape {
            table: "t",
            create: &create,
            before: &["INSERT INTO t(k, a, b) VALUES (1, 10, 'x')"],
            backfilled: 2,
            after: &[
                "INSERT INTO t(k, a) VALUES (2, 20)",
                "UPDATE t SET a = 30 WHERE k = 1",
                "UPDATE t SET k = 3 WHERE k = 1",
                "DELETE FROM t WHERE k = 2",
            ],
            there: &["UPDATE t SET b = g || h"],
        });
    }
}

#[test]
fn defaults_checks_and_plain_indexes() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL UNIQUE, a INT NOT NULL DEFAULT 7 CHECK (a > 0), \
                 b NOT NULL DEFAULT (1 + 1), c NOT NULL DEFAULT CURRENT_TIMESTAMP, d TEXT COLLATE NOCASE DEFAULT 'x', \
                 e DEFAULT x'00ff'); CREATE INDEX t_a ON t(a, d); CREATE INDEX t_part ON t(b) WHERE a > 5",
        before: &["INSERT INTO t(k) VALUES ('k')"],
        backfilled: 5,
        after: &[
            "INSERT INTO t(k, c) VALUES ('l', 'then')",
            "UPDATE t SET d = 'X' WHERE k = 'k'",
            "UPDATE t SET k = 'm' WHERE k = 'l'",
            "DELETE FROM t WHERE k = 'm'",
        ],
        there: &["UPDATE t SET a = a + 1"],
    });
}

#[test]
fn descending_keys() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(p INT NOT NULL, q TEXT NOT NULL, a, PRIMARY KEY (p DESC, q ASC))",
        before: &["INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2)"],
        backfilled: 2,
        after: &[
            "INSERT INTO t VALUES (3, 'z', 3)",
            "UPDATE t SET p = 0 WHERE p = 3",
            "UPDATE t SET a = 9",
            "DELETE FROM t WHERE p = 1",
        ],
        there: &["UPDATE t SET q = q || q"],
    });
}

/// `columns` columns c1.. besides the key; the last one is written alone.
fn wide_table_travels(columns: usize) -> Connection {
    let names: Vec<String> = (1..=columns).map(|column| format!("c{column}")).collect();
    let values: Vec<String> = (1..=columns).map(|column| column.to_string()).collect();
    let origin = open_memory();
    exec(
        &origin,
        &format!(
            "CREATE TABLE t(k INTEGER PRIMARY KEY, {})",
            names.join(", ")
        ),
    );
    exec(
        &origin,
        &format!("INSERT INTO t VALUES (1, {})", values.join(", ")),
    );
    upgrade(&origin, "t");
    let mut follower = Follower::new(&origin, &["t"]);
    assert_eq!(follower.pull(&origin, "upgrade"), columns);
    exec(
        &origin,
        &format!("INSERT INTO t VALUES (2, {})", values.join(", ")),
    );
    assert_eq!(follower.pull(&origin, "insert"), columns);
    exec(
        &origin,
        &format!("UPDATE t SET c{columns} = 'last' WHERE k = 2"),
    );
    assert_eq!(follower.pull(&origin, "update of the last column"), 1);
    exec(&origin, "UPDATE t SET k = 3 WHERE k = 1");
    assert_eq!(follower.pull(&origin, "key change"), columns + 2);
    exec(&origin, "REPLACE INTO t(k, c1) VALUES (2, 'replaced')");
    assert_eq!(follower.pull(&origin, "replace"), columns);
    exec(&origin, "DELETE FROM t WHERE k = 3");
    assert_eq!(follower.pull(&origin, "delete"), 1);
    origin
}

#[test]
fn six_hundred_columns() {
    let origin = wide_table_travels(599);
    check(&origin, &["t"]);
}

#[test]
fn nineteen_hundred_columns() {
    let origin = wide_table_travels(1_900);
    let reported: i64 = one(
        &origin,
        "SELECT count(DISTINCT cid) FROM crsql_changes WHERE cl = 1",
    );
    assert_eq!(reported, 1_900);
}

#[test]
fn six_hundred_tables() {
    let names: Vec<String> = (0..600).map(|table| format!("t{table}")).collect();
    let tables: Vec<&str> = names.iter().map(String::as_str).collect();
    let origin = open_memory();
    exec(&origin, "BEGIN");
    for table in &tables {
        exec(
            &origin,
            &format!("CREATE TABLE {table}(k INTEGER PRIMARY KEY, a, b)"),
        );
        upgrade(&origin, table);
    }
    exec(&origin, "COMMIT");
    exec(&origin, "INSERT INTO t599 VALUES (1, 2, 3)");
    assert_eq!(changes(&origin, 0).len(), 2);
    exec(&origin, "BEGIN");
    for table in &tables {
        exec(
            &origin,
            &format!("REPLACE INTO {table} VALUES (1, '{table}', NULL)"),
        );
    }
    exec(&origin, "COMMIT; UPDATE t0 SET k = 2; DELETE FROM t300");
    check(&origin, &tables);
}

#[test]
fn untyped_keys_keep_every_storage_class() {
    travels(&Shape {
        table: "t",
        create: "CREATE TABLE t(k PRIMARY KEY NOT NULL, a)",
        before: &[
            "INSERT INTO t VALUES (1, 'integer'), ('1', 'text'), (x'31', 'blob'), (1.5, 'real')",
        ],
        backfilled: 4,
        after: &[
            "INSERT INTO t VALUES (9007199254740993, 'above 2^53'), (9007199254740992.0, '2^53')",
            "INSERT INTO t VALUES (9223372036854775807, 'int'), (9223372036854775807.0, '2^63')",
            "UPDATE t SET k = 'two' WHERE k = x'31'",
            "UPDATE t SET a = 'changed' WHERE k = 9007199254740992",
            "DELETE FROM t WHERE k = '1'",
        ],
        there: &[
            "DELETE FROM t WHERE k = 9007199254740992",
            "UPDATE t SET a = 'there' WHERE k = 9223372036854775807",
        ],
    });
}

#[test]
fn backfill_goes_by_key_and_an_empty_table_uses_no_version() {
    let origin = open_memory();
    create_crr(
        &origin,
        "empty",
        "CREATE TABLE empty(k INTEGER PRIMARY KEY, a)",
    );
    assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 0);
    exec(
        &origin,
        "CREATE TABLE g(a PRIMARY KEY NOT NULL, b, c DEFAULT 5); INSERT INTO g VALUES (10, NULL, 5), (2, 2, 2)",
    );
    upgrade(&origin, "g");
    let seen: Vec<_> = changes(&origin, 0)
        .into_iter()
        .map(|change| {
            (
                change.pk,
                change.cid,
                change.val,
                change.col_version,
                change.db_version,
                change.cl,
                change.seq,
            )
        })
        .collect();
    let expected = [
        (vec![1, 9, 2], "b".to_owned(), Value::Integer(2), 1, 1, 1, 0),
        (vec![1, 9, 2], "c".to_owned(), Value::Integer(2), 1, 1, 1, 1),
        (vec![1, 9, 10], "b".to_owned(), Value::Null, 1, 1, 1, 2),
        (
            vec![1, 9, 10],
            "c".to_owned(),
            Value::Integer(5),
            1,
            1,
            1,
            3,
        ),
    ];
    assert_eq!(seen, expected);
    assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 1);
    upgrade(&origin, "g");
    assert_eq!(
        changes(&origin, 0).len(),
        4,
        "a second upgrade changes nothing"
    );
    assert_eq!(one::<i64>(&origin, "SELECT crsql_db_version()"), 1);
}
