//! Schema changes of replicated tables: what ALTER TABLE did is noticed, costs nothing, and loses nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "schema_changes/late_columns.rs"]
mod late_columns;

#[path = "schema_changes/sessions.rs"]
mod sessions;

use checks::{check, check_partial, create_crr, exec, one, refusal, rows};
use rusqlite::Connection;
use support::{changes, merge, open, open_memory, scratch_dir};

/// Every kind of key, beside one column.
const SHAPES: [&str; 5] = [
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a)",
    "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
    "CREATE TABLE t(k PRIMARY KEY, a) WITHOUT ROWID",
    "CREATE TABLE t(k NOT NULL, a, k2 TEXT NOT NULL DEFAULT 'x', g AS (a || 1), PRIMARY KEY (k2, k))",
    "CREATE TABLE t(k ANY PRIMARY KEY NOT NULL, a ANY) STRICT",
];

fn with_rows(shape: &str) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", shape);
    exec(
        &connection,
        "INSERT INTO t(k, a) VALUES (1, 'a1'), (2, 'a2'), (3, 'a3')",
    );
    connection
}

/// The changes of one column, as (key, value, column version).
fn cells(connection: &Connection, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT hex(pk) || ' ' || quote(val) || ' ' || col_version FROM crsql_changes WHERE cid = '{column}'"
    );
    let texts = rows(connection, &sql).into_iter().flatten();
    texts.map(|text| format!("{text:?}")).collect()
}

#[test]
fn an_added_column_is_captured_whatever_writes_first() {
    for shape in SHAPES {
        for (first, recorded) in [
            ("UPDATE t SET b = 5 WHERE k = 1", 1),
            ("UPDATE t SET a = 'other'", 0),
            ("INSERT INTO t(k, b) VALUES (4, 5)", 1),
            ("INSERT INTO t(k) VALUES (4)", 1),
            ("INSERT OR REPLACE INTO t(k, b) VALUES (1, 5)", 1),
            (
                "INSERT INTO t(k) VALUES (1) ON CONFLICT DO UPDATE SET b = 5",
                1,
            ),
            ("UPDATE t SET k = 10, b = 5 WHERE k = 1", 1),
            ("DELETE FROM t WHERE k = 1", 0),
        ] {
            let connection = with_rows(shape);
            let type_name = if shape.contains("STRICT") { "INT" } else { "" };
            exec(
                &connection,
                &format!("ALTER TABLE t ADD COLUMN b {type_name}"),
            );
            exec(&connection, first);
            assert_eq!(
                cells(&connection, "b").len(),
                recorded,
                "{first} in {shape}"
            );
            drop(check_partial(&connection, &["t"]));
            exec(&connection, "UPDATE t SET b = 6; UPDATE t SET a = NULL");
            let live: usize = one::<i64>(&connection, "SELECT count(*) FROM t") as usize;
            assert_eq!(
                cells(&connection, "b").len(),
                live,
                "after {first} in {shape}"
            );
            drop(check(&connection, &["t"]));
        }
    }
}

#[test]
fn adding_a_column_writes_nothing_for_the_rows() {
    let connection = open_memory();
    create_crr(&connection, "t", SHAPES[1]);
    exec(
        &connection,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         INSERT INTO t SELECT 'key ' || i, i FROM n",
    );
    let size = || {
        [
            "SELECT count(*) FROM crsql_log",
            "SELECT count(*) FROM crsql_rows_1",
            "SELECT page_count FROM pragma_page_count",
        ]
        .map(|sql| one::<i64>(&connection, sql))
    };
    let before = size();
    exec(
        &connection,
        "ALTER TABLE t ADD COLUMN b NOT NULL DEFAULT 'some default'; SELECT crsql_as_crr('t')",
    );
    let after = size();
    assert_eq!(after[..2], before[..2]);
    assert!(after[2] <= before[2] + 2, "{before:?} {after:?}");
    assert!(cells(&connection, "b").is_empty());
    exec(&connection, "UPDATE t SET b = 1 WHERE k = 'key 7'");
    assert_eq!(size()[1], 1);
}

/// A COMMIT makes triggers anew that name too few columns. Where a reader kept it out, and the application went back to a
/// savepoint, that was undone, and the next COMMIT took it for done: an UPDATE recorded a column that it had not written.
#[test]
fn triggers_are_made_anew_by_the_commit_that_succeeds() {
    let directory = scratch_dir();
    let path = directory.join("kept_out.db");
    let connection = open(&path);
    create_crr(&connection, "t", SHAPES[0]);
    let reader = Connection::open(&path).expect("a second connection");
    exec(
        &connection,
        "PRAGMA busy_timeout = 0; INSERT INTO t VALUES (1, 'a1');
         BEGIN; ALTER TABLE t ADD COLUMN b DEFAULT 1; INSERT INTO t(k, a) VALUES (2, 'a2');
         SAVEPOINT s; INSERT INTO t(k, a) VALUES (3, 'a3')",
    );
    exec(&reader, "BEGIN; SELECT count(*) FROM t");
    let error = connection
        .execute_batch("COMMIT")
        .expect_err("a reader is in the way");
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy)
    );
    exec(&connection, "ROLLBACK TO s");
    exec(&reader, "COMMIT");
    exec(&connection, "COMMIT");
    exec(&connection, "UPDATE t SET a = 'later'");
    let versions = rows(
        &connection,
        "SELECT col_version FROM crsql_changes WHERE cid = 'b'",
    );
    assert_eq!(versions, [[rusqlite::types::Value::Integer(1)]]);
    drop(check_partial(&connection, &["t"]));
}

#[test]
fn every_connection_notices_what_another_altered() {
    let directory = scratch_dir();
    let path = directory.join("shared.db");
    let [one_side, other_side] = [open(&path), open(&path)];
    exec(&one_side, "PRAGMA journal_mode = WAL");
    create_crr(&one_side, "t", SHAPES[0]);
    exec(&other_side, "INSERT INTO t VALUES (1, 'a1')");
    exec(&one_side, "ALTER TABLE t ADD COLUMN b");
    exec(&other_side, "UPDATE t SET b = 'b1'");
    assert_eq!(cells(&one_side, "b").len(), 1);
    exec(&one_side, "UPDATE t SET b = 'b2'");
    exec(&other_side, "ALTER TABLE t RENAME COLUMN b TO c");
    assert_eq!(cells(&one_side, "c").len(), 1);
    assert!(cells(&one_side, "b").is_empty());
    exec(&one_side, "UPDATE t SET c = 'c3'");
    assert_eq!(cells(&other_side, "c"), ["Text(\"010901 'c3' 3\")"]);
    let without = Connection::open(&path).expect("open without the extension");
    exec(&without, "ALTER TABLE t ADD COLUMN d");
    exec(&other_side, "UPDATE t SET d = 1");
    exec(&one_side, "UPDATE t SET d = 2");
    assert_eq!(cells(&one_side, "d"), ["Text(\"010901 2 2\")"]);
    drop(check(&one_side, &["t"]));
}

#[test]
fn one_transaction_may_write_alter_and_write_again() {
    for shape in SHAPES {
        let connection = with_rows(shape);
        let type_name = if shape.contains("STRICT") { "INT" } else { "" };
        exec(
            &connection,
            &format!(
                "BEGIN; INSERT INTO t(k, a) VALUES (4, 'before'); ALTER TABLE t ADD COLUMN b {type_name}; \
                 INSERT INTO t(k, a, b) VALUES (5, 'after', 1); UPDATE t SET b = 2 WHERE k IN (1, 4, 5); \
                 ALTER TABLE t RENAME COLUMN b TO c; UPDATE t SET c = 3 WHERE k = 2; \
                 SAVEPOINT s; ALTER TABLE t ADD COLUMN d {type_name}; UPDATE t SET d = 4; ROLLBACK TO s; \
                 UPDATE t SET c = 5 WHERE k = 3; COMMIT"
            ),
        );
        assert_eq!(cells(&connection, "c").len(), 5, "{shape}");
        assert!(cells(&connection, "d").is_empty(), "{shape}");
        drop(check(&connection, &["t"]));
        exec(
            &connection,
            &format!("ALTER TABLE t ADD COLUMN d {type_name}; UPDATE t SET d = 1"),
        );
        assert_eq!(cells(&connection, "d").len(), 5, "{shape}");
        drop(check(&connection, &["t"]));
        assert_eq!(one::<String>(&connection, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn a_failing_first_write_leaves_the_next_one_to_notice() {
    let connection = with_rows("CREATE TABLE t(k INTEGER PRIMARY KEY, a CHECK (a <> 'bad'))");
    exec(&connection, "ALTER TABLE t ADD COLUMN b");
    refusal(
        &connection,
        "UPDATE t SET b = 1, a = CASE k WHEN 3 THEN 'bad' ELSE a END",
    );
    assert!(cells(&connection, "b").is_empty());
    exec(&connection, "UPDATE t SET b = 2");
    assert_eq!(cells(&connection, "b").len(), 3);
    drop(check(&connection, &["t"]));
}

#[test]
fn a_statement_that_is_being_read_does_not_keep_triggers_from_being_made() {
    let connection = with_rows(SHAPES[0]);
    let mut reading = connection.prepare("SELECT k FROM t").expect("a statement");
    let mut keys = reading.query([]).expect("a scan");
    keys.next().expect("a row");
    exec(
        &connection,
        "ALTER TABLE t ADD COLUMN b; UPDATE t SET b = 1 WHERE k = 3",
    );
    drop(keys);
    drop(reading);
    exec(&connection, "UPDATE t SET b = 2");
    assert_eq!(cells(&connection, "b").len(), 3);
    drop(check(&connection, &["t"]));
}

#[test]
fn wide_tables_gain_lose_and_rename_columns() {
    let connection = open_memory();
    let columns: Vec<String> = (0..150).map(|n| format!("c{n}")).collect();
    create_crr(
        &connection,
        "t",
        &format!(
            "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, {})",
            columns.join(", ")
        ),
    );
    exec(
        &connection,
        "INSERT INTO t(k, c0, c149) VALUES ('x', 1, 2), ('y', 3, 4)",
    );
    for n in 150..220 {
        exec(
            &connection,
            &format!("ALTER TABLE t ADD COLUMN c{n} DEFAULT {n}"),
        );
    }
    exec(
        &connection,
        "UPDATE t SET c219 = 0, c0 = 0 WHERE k = 'x'; ALTER TABLE t RENAME COLUMN c100 TO \"the hundredth\"; \
         UPDATE t SET \"the hundredth\" = 100; SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN c70; \
         UPDATE t SET c71 = 71, c210 = 0; SELECT crsql_commit_alter('t'); UPDATE t SET c72 = 72, k = k || k",
    );
    drop(check(&connection, &["t"]));
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM crsql_changes WHERE cid <> '-1'"
        ),
        2 * 219
    );
}

#[test]
fn a_row_whose_last_written_columns_went_is_still_told_of() {
    for shape in SHAPES {
        let connection = with_rows(shape);
        exec(
            &connection,
            "UPDATE t SET a = 'again' WHERE k = 2; \
             INSERT INTO crsql_changes SELECT \"table\", crsql_pack_columns(9), cid, 'cell', 1, 9, x'53', 1, 0 \
             FROM crsql_changes WHERE (SELECT count(*) FROM crsql_unpack_columns(pk)) = 1 LIMIT 1; \
             SELECT crsql_begin_alter('t')",
        );
        if shape.contains("g AS") {
            exec(&connection, "ALTER TABLE t DROP COLUMN g");
        }
        exec(
            &connection,
            "ALTER TABLE t DROP COLUMN a; SELECT crsql_commit_alter('t')",
        );
        let fresh = open_memory();
        let create: String = one(
            &connection,
            "SELECT sql FROM sqlite_schema WHERE name = 't'",
        );
        create_crr(&fresh, "t", &create);
        merge(&fresh, &changes(&connection, 0));
        assert_eq!(
            rows(&fresh, "SELECT * FROM t ORDER BY k"),
            rows(&connection, "SELECT * FROM t ORDER BY k"),
            "{shape}"
        );
    }
}

#[test]
fn a_dropped_table_leaves_the_others_alone_and_comes_back_new() {
    let connection = with_rows(SHAPES[1]);
    create_crr(
        &connection,
        "other",
        "CREATE TABLE other(k INTEGER PRIMARY KEY, v)",
    );
    exec(
        &connection,
        "INSERT INTO other VALUES (1, 1); UPDATE t SET a = 2; DROP TABLE t",
    );
    let version: i64 = one(&connection, "SELECT crsql_db_version()");
    drop(check(&connection, &["other"]));
    create_crr(&connection, "t", SHAPES[0]);
    exec(&connection, "INSERT INTO t VALUES (1, 'new')");
    assert_eq!(cells(&connection, "a"), ["Text(\"010901 'new' 1\")"]);
    assert!(one::<i64>(&connection, "SELECT crsql_db_version()") > version);
    drop(check(&connection, &["other", "t"]));
}

#[test]
fn changes_under_a_former_name_find_what_is_called_otherwise_now() {
    let [ahead, behind] = [open_memory(), open_memory()];
    for side in [&ahead, &behind] {
        create_crr(side, "t", SHAPES[1]);
    }
    exec(&behind, "INSERT INTO t VALUES ('x', 1)");
    exec(
        &ahead,
        "ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t RENAME TO u",
    );
    merge(&ahead, &changes(&behind, 0));
    exec(&behind, "UPDATE t SET a = 2; INSERT INTO t VALUES ('y', 3)");
    exec(
        &ahead,
        "ALTER TABLE u RENAME COLUMN b TO c; ALTER TABLE u ADD COLUMN b",
    );
    merge(&ahead, &changes(&behind, 0));
    assert_eq!(one::<i64>(&ahead, "SELECT count(*) FROM crsql_parked"), 0);
    assert_eq!(
        one::<String>(
            &ahead,
            "SELECT group_concat(k || c || ifnull(b, '-')) FROM u"
        ),
        "x2-,y3-"
    );
    // A column that has the name now goes before one that had it.
    merge(&behind, &changes(&ahead, 0));
    assert_eq!(
        one::<i64>(
            &behind,
            "SELECT count(*) FROM crsql_parked WHERE \"table\" = 'u'"
        ),
        1
    );
    exec(
        &behind,
        "ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t RENAME COLUMN b TO c",
    );
    exec(
        &behind,
        "ALTER TABLE t ADD COLUMN b; ALTER TABLE t RENAME TO u; SELECT crsql_as_crr('u')",
    );
    assert_eq!(one::<i64>(&behind, "SELECT count(*) FROM crsql_parked"), 0);
    exec(&ahead, "UPDATE u SET b = 'b' WHERE k = 'x'");
    merge(&behind, &changes(&ahead, 0));
    let all = |side: &Connection| rows(side, "SELECT * FROM u ORDER BY k");
    assert_eq!(all(&ahead), all(&behind));
}

#[test]
fn a_cell_of_a_column_that_is_not_here_makes_and_unmakes_its_row() {
    let connection = with_rows(SHAPES[0]);
    let insert = |key: i64, cl: i64, version: i64| {
        format!(
            "INSERT INTO crsql_changes VALUES ('t', crsql_pack_columns({key}), 'later', 'v', {version}, 9, x'53', {cl}, 0)"
        )
    };
    exec(
        &connection,
        &format!("{}; {}", insert(10, 1, 1), insert(2, 2, 2)),
    );
    assert_eq!(
        one::<String>(&connection, "SELECT group_concat(k) FROM t"),
        "1,3,10"
    );
    exec(&connection, &insert(2, 3, 1));
    exec(
        &connection,
        "ALTER TABLE t ADD COLUMN later; SELECT crsql_as_crr('t')",
    );
    assert_eq!(
        one::<String>(
            &connection,
            "SELECT group_concat(k || ifnull(later, '-')) FROM t"
        ),
        "1-,2v,3-,10v"
    );
    drop(check_partial(&connection, &["t"]));
}

#[test]
fn a_table_is_altered_while_a_statement_that_wrote_waits_to_be_read() {
    for first in [
        "INSERT INTO t(k, a) VALUES (4, 'a4'), (5, 'a5') RETURNING k",
        "UPDATE t SET a = a || '!' RETURNING k",
        "DELETE FROM t WHERE k > 1 RETURNING k",
    ] {
        let connection = with_rows(SHAPES[0]);
        exec(&connection, "BEGIN");
        let mut pending = connection.prepare(first).expect(first);
        let mut returned = pending.query([]).expect(first);
        assert!(returned.next().expect(first).is_some());
        exec(
            &connection,
            "ALTER TABLE t ADD COLUMN b; UPDATE t SET b = 6 WHERE k = 1",
        );
        while returned.next().expect(first).is_some() {}
        drop(returned);
        drop(pending);
        exec(&connection, "COMMIT");
        assert_eq!(cells(&connection, "b"), ["Text(\"010901 6 1\")"], "{first}");
        drop(check_partial(&connection, &["t"]));
    }
}

#[test]
fn a_schema_change_that_is_rolled_back_is_not_taken_for_the_next_one() {
    for (begin, back) in [
        ("BEGIN", "ROLLBACK"),
        ("BEGIN; UPDATE t SET a = 'x' WHERE k = 3", "ROLLBACK"),
        ("SAVEPOINT s", "ROLLBACK TO s; RELEASE s"),
        ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT"),
    ] {
        for (undone, done, write, written) in [
            (
                "ALTER TABLE t ADD COLUMN c DEFAULT 1",
                "ALTER TABLE t ADD COLUMN b DEFAULT 2",
                "UPDATE t SET b = 1 WHERE k = 1",
                "010901 1 1",
            ),
            (
                "ALTER TABLE t RENAME COLUMN a TO c",
                "ALTER TABLE t RENAME COLUMN a TO b",
                "UPDATE t SET b = 1 WHERE k = 1",
                "010901 1 2",
            ),
            (
                "ALTER TABLE t RENAME TO u",
                "ALTER TABLE t ADD COLUMN b",
                "UPDATE t SET b = 1 WHERE k = 1",
                "010901 1 1",
            ),
        ] {
            let connection = with_rows(SHAPES[0]);
            exec(&connection, &format!("{begin}; {undone}"));
            assert_eq!(changes(&connection, 0).len(), 3);
            exec(&connection, &format!("{back}; {done}"));
            drop(changes(&connection, 0));
            exec(&connection, write);
            let seen = cells(&connection, "b");
            let expected = format!("Text(\"{written}\")");
            assert!(seen.contains(&expected), "{begin}; {undone}: {seen:?}");
            drop(check_partial(&connection, &["t"]));
        }
    }
}

#[test]
fn triggers_that_were_dropped_are_made_again_by_as_crr() {
    for shape in SHAPES {
        let connection = with_rows(shape);
        let dropped = rows(
            &connection,
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name <> 'crsql_1_insert'",
        );
        for name in dropped.into_iter().flatten() {
            let rusqlite::types::Value::Text(name) = name else {
                panic!("a trigger without a name in {shape}");
            };
            exec(
                &connection,
                &format!("DROP TRIGGER {}", checks::quoted(&name)),
            );
            exec(&connection, "SELECT crsql_as_crr('t')");
            let before: i64 = one(&connection, "SELECT crsql_db_version()");
            exec(&connection, "UPDATE t SET a = a || '!' WHERE k = 1");
            assert_eq!(changes(&connection, before).len(), 1, "{name} in {shape}");
        }
        check(&connection, &["t"]);
    }
}
