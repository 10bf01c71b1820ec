//! Alter sessions: writes in them are captured, their ends are clean.

use crate::checks::{check, check_partial, create_crr, exec, one, refusal, rows};
use crate::support::{changes, open_memory};
use crate::{SHAPES, cells, with_rows};

#[test]
fn every_kind_of_write_in_a_session_is_captured() {
    for shape in SHAPES {
        let connection = with_rows(shape);
        exec(
            &connection,
            "SELECT crsql_begin_alter('t'); UPDATE t SET a = 'u' WHERE k = 1; DELETE FROM t WHERE k = 2; \
             INSERT INTO t(k, a) VALUES (4, 'i'), (2, 'again'); REPLACE INTO t(k, a) VALUES (3, 'r'); \
             UPDATE t SET k = 7 WHERE k = 4; UPDATE OR REPLACE t SET k = 1 WHERE k = 7; \
             INSERT INTO t(k, a) VALUES (1, 'n') ON CONFLICT DO UPDATE SET a = excluded.a; UPDATE t SET a = a",
        );
        drop(check(&connection, &["t"]));
        exec(
            &connection,
            "SELECT crsql_commit_alter('t'); UPDATE t SET a = 'later'",
        );
        drop(check(&connection, &["t"]));
        assert_eq!(one::<String>(&connection, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn triggers_of_the_application_may_write_in_a_session() {
    let connection = with_rows(SHAPES[0]);
    exec(
        &connection,
        "CREATE TRIGGER u BEFORE UPDATE OF a ON t WHEN NEW.a = 'chain' BEGIN \
           UPDATE t SET a = 'chained' WHERE k = NEW.k + 1; END; \
         SELECT crsql_begin_alter('t'); UPDATE t SET a = 'chain' WHERE k = 1; SELECT crsql_commit_alter('t')",
    );
    drop(check(&connection, &["t"]));
    assert_eq!(cells(&connection, "a").len(), 3);
}

#[test]
fn sessions_nest_and_only_the_last_commit_ends_them() {
    let connection = with_rows(SHAPES[0]);
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); SELECT crsql_begin_alter('t'); ALTER TABLE t RENAME COLUMN a TO b; \
         SELECT crsql_commit_alter('t'); ALTER TABLE t ADD COLUMN c; SELECT crsql_commit_alter('main', 't')",
    );
    assert!(connection.is_autocommit());
    exec(&connection, "UPDATE t SET c = 1, b = 2");
    assert_eq!(
        cells(&connection, "b").len() + cells(&connection, "c").len(),
        6
    );
    drop(check(&connection, &["t"]));
    refusal(&connection, "SELECT crsql_commit_alter('t')");
    assert!(connection.is_autocommit());
}

#[test]
fn a_session_that_fails_leaves_the_callers_work() {
    let connection = with_rows(SHAPES[0]);
    exec(
        &connection,
        "BEGIN; UPDATE t SET a = 'mine'; SAVEPOINT mine",
    );
    let before = changes(&connection, 0);
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); ALTER TABLE t ADD COLUMN b REFERENCES t(k); UPDATE t SET b = 1",
    );
    let text = refusal(&connection, "SELECT crsql_commit_alter('t')");
    assert!(text.contains("has a foreign key from \"b\""), "{text}");
    assert!(!connection.is_autocommit());
    assert_eq!(changes(&connection, 0), before);
    exec(&connection, "UPDATE t SET a = 'more'; RELEASE mine; COMMIT");
    drop(check(&connection, &["t"]));
}

#[test]
fn a_commit_with_a_table_that_can_not_be_replicated_is_refused() {
    let connection = with_rows(SHAPES[0]);
    let before = changes(&connection, 0);
    exec(
        &connection,
        "BEGIN; SELECT crsql_begin_alter('t'); UPDATE t SET a = 1; CREATE UNIQUE INDEX u ON t(k, a)",
    );
    let text = refusal(&connection, "COMMIT");
    assert!(text.contains("drop the index \"u\""), "{text}");
    // SQLite rolls back what can't be committed.
    assert!(connection.is_autocommit());
    assert_eq!(changes(&connection, 0), before);
    exec(&connection, "UPDATE t SET a = 'x'");
    drop(check(&connection, &["t"]));
}

#[test]
fn a_table_dropped_in_a_session_is_gone_with_its_commit() {
    let connection = with_rows(SHAPES[0]);
    exec(
        &connection,
        "BEGIN; SELECT crsql_begin_alter('t'); DROP TABLE t; COMMIT",
    );
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM crsql_changes"),
        0
    );
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 1);
    create_crr(&connection, "t", SHAPES[1]);
    exec(&connection, "INSERT INTO t VALUES ('x', 1)");
    drop(check(&connection, &["t"]));
}

#[test]
fn a_column_added_in_a_session_and_written_there_keeps_what_was_written() {
    for shape in SHAPES {
        let connection = with_rows(shape);
        let type_name = if shape.contains("STRICT") { "INT" } else { "" };
        exec(
            &connection,
            &format!(
                "SELECT crsql_begin_alter('t'); ALTER TABLE t ADD COLUMN b {type_name} DEFAULT 7; \
                 UPDATE t SET b = 8 WHERE k = 2; INSERT INTO t(k) VALUES (4); INSERT INTO t(k, b) VALUES (5, 9); \
                 ALTER TABLE t RENAME COLUMN a TO c; UPDATE t SET c = 'c' WHERE k = 3; \
                 SELECT crsql_commit_alter('t')"
            ),
        );
        assert_eq!(cells(&connection, "b").len(), 3, "{shape}");
        exec(&connection, "UPDATE t SET b = 10");
        let versions =
            "SELECT col_version, count(*) FROM crsql_changes WHERE cid = 'b' GROUP BY 1 ORDER BY 1";
        let expected =
            [[1, 2], [2, 3]].map(|row| row.map(rusqlite::types::Value::Integer).to_vec());
        assert_eq!(rows(&connection, versions), expected, "{shape}");
        drop(check(&connection, &["t"]));
    }
}

#[test]
fn the_clocks_of_a_rebuilt_table_go_on() {
    let connection = with_rows("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)");
    exec(
        &connection,
        "UPDATE t SET a = 'twice' WHERE k = '1'; DELETE FROM t WHERE k = '3'",
    );
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); \
         CREATE TABLE made_anew(k TEXT PRIMARY KEY NOT NULL, c DEFAULT 'd', b TEXT, a) WITHOUT ROWID; \
         INSERT INTO made_anew(k, a, b) SELECT k, a, b FROM t; DROP TABLE t; ALTER TABLE made_anew RENAME TO t; \
         SELECT crsql_commit_alter('t')",
    );
    assert_eq!(
        cells(&connection, "a"),
        ["Text(\"010B0132 'a2' 1\")", "Text(\"010B0131 'twice' 2\")"]
    );
    assert!(cells(&connection, "c").is_empty());
    exec(
        &connection,
        "UPDATE t SET a = 'thrice', c = 'e' WHERE k = '1'; INSERT INTO t(k) VALUES ('3')",
    );
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT cl FROM crsql_changes WHERE cid = '-1' AND pk = crsql_pack_columns('3')"
        ),
        3
    );
    drop(check_partial(&connection, &["t"]));
}

#[test]
fn rows_that_come_and_go_while_a_table_is_rebuilt_are_recorded() {
    for end in ["SELECT crsql_commit_alter('t'); COMMIT", "COMMIT"] {
        let connection = with_rows("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)");
        exec(
            &connection,
            &format!(
                "DELETE FROM t WHERE k = '3'; BEGIN; SELECT crsql_begin_alter('t'); \
                 CREATE TABLE made_anew(k TEXT PRIMARY KEY NOT NULL, a); \
                 INSERT INTO made_anew SELECT k, a FROM t WHERE k <> '1'; DROP TABLE t; \
                 ALTER TABLE made_anew RENAME TO t; INSERT INTO t VALUES ('3', 'again'), ('4', 'new'); {end}"
            ),
        );
        let sentinels = rows(
            &connection,
            "SELECT hex(pk) || cl FROM crsql_changes WHERE cid = '-1' ORDER BY 1",
        );
        let texts = ["010B01312", "010B01333"];
        assert_eq!(
            sentinels,
            texts.map(|text| vec![text.to_owned().into()]),
            "{end}"
        );
        drop(check(&connection, &["t"]));
    }
}

#[test]
fn a_table_rebuilt_with_another_key_starts_over_at_commit() {
    for end in ["SELECT crsql_commit_alter('t'); COMMIT", "COMMIT"] {
        let connection = with_rows("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)");
        exec(
            &connection,
            &format!(
                "UPDATE t SET a = 'twice'; DELETE FROM t WHERE k = '1'; BEGIN; SELECT crsql_begin_alter('t'); \
                 CREATE TABLE made_anew(k TEXT, a, n INTEGER PRIMARY KEY); \
                 INSERT INTO made_anew(k, a) SELECT k, a FROM t; DROP TABLE t; \
                 ALTER TABLE made_anew RENAME TO t; {end}"
            ),
        );
        assert_eq!(cells(&connection, "k").len(), 2, "{end}");
        exec(&connection, "UPDATE t SET a = 'again'");
        drop(check(&connection, &["t"]));
    }
}

#[test]
fn a_column_added_written_and_renamed_in_a_session_keeps_what_was_written() {
    for rename in [
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t RENAME COLUMN b TO b2; ALTER TABLE t ADD COLUMN b DEFAULT 5; ALTER TABLE t RENAME COLUMN b2 TO c",
        "ALTER TABLE t RENAME COLUMN a TO a2; ALTER TABLE t RENAME COLUMN b TO c; ALTER TABLE t DROP COLUMN a2",
    ] {
        for end in ["SELECT crsql_commit_alter('t'); COMMIT", "COMMIT"] {
            let connection = open_memory();
            create_crr(&connection, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
            exec(&connection, "INSERT INTO t VALUES (1, 'x'), (2, 'y')");
            exec(
                &connection,
                "BEGIN; SELECT crsql_begin_alter('t'); ALTER TABLE t ADD COLUMN b DEFAULT 1.0",
            );
            exec(
                &connection,
                "UPDATE t SET b = 2 WHERE k = 1; INSERT INTO t VALUES (3, 'z', 3), (4, 'z', 1.0)",
            );
            exec(&connection, rename);
            exec(&connection, end);
            drop(check_partial(&connection, &["t"]));
            exec(&connection, "UPDATE t SET c = 7");
            drop(check_partial(&connection, &["t"]));
        }
    }
}

/// Random schedules found that in a table that had no columns, one that was added, written and dropped in a session was
/// taken for the next one that was added: each row told of a write to it that nobody had made.
#[test]
fn a_column_that_came_and_went_in_a_session_leaves_nothing_to_the_next() {
    for had_columns in [false, true] {
        for end in ["SELECT crsql_commit_alter('t'); COMMIT", "COMMIT"] {
            let connection = open_memory();
            let columns = if had_columns { ", a" } else { "" };
            create_crr(
                &connection,
                "t",
                &format!("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL{columns})"),
            );
            exec(
                &connection,
                "INSERT INTO t(k) VALUES ('before'); BEGIN; SELECT crsql_begin_alter('t'); ALTER TABLE t ADD COLUMN n; \
                 INSERT INTO t(k, n) VALUES ('in', 'lost'); UPDATE t SET n = 'lost'; ALTER TABLE t DROP COLUMN n; \
                 ALTER TABLE t ADD COLUMN m DEFAULT 5",
            );
            exec(&connection, end);
            let context = format!("{had_columns}, {end}");
            assert_eq!(cells(&connection, "m").len(), 0, "{context}");
            exec(&connection, "UPDATE t SET m = 6 WHERE k = 'in'");
            assert_eq!(cells(&connection, "m").len(), 1, "{context}");
            let versions = "SELECT group_concat(col_version) FROM crsql_changes WHERE cid = 'm'";
            assert_eq!(one::<String>(&connection, versions), "1", "{context}");
            drop(check_partial(&connection, &["t"]));
        }
    }
}

#[test]
fn a_table_in_a_session_is_not_made_an_ordinary_one() {
    let connection = with_rows(SHAPES[0]);
    exec(&connection, "SELECT crsql_begin_alter('t')");
    let text = refusal(&connection, "SELECT crsql_as_table('t')");
    assert!(
        text.contains("call crsql_commit_alter('t') first"),
        "{text}"
    );
    exec(
        &connection,
        "SELECT crsql_commit_alter('t'); SELECT crsql_as_table('t')",
    );
    assert!(connection.is_autocommit());
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM crsql_changes"),
        0
    );
}

#[test]
fn a_table_made_and_replicated_anew_in_a_session_begins_anew() {
    for end in ["COMMIT", "SELECT crsql_commit_alter('t')"] {
        let connection = with_rows(SHAPES[0]);
        exec(
            &connection,
            "BEGIN; SELECT crsql_begin_alter('t'); DROP TABLE t; CREATE TABLE t(k INTEGER PRIMARY KEY, c); \
             INSERT INTO t VALUES (1, 1); SELECT crsql_as_crr('t')",
        );
        if end == "COMMIT" {
            exec(&connection, end);
        } else {
            let text = refusal(&connection, end);
            assert!(text.contains("there is no alter session"), "{text}");
            exec(&connection, "COMMIT");
        }
        assert_eq!(
            one::<i64>(&connection, "SELECT count(*) FROM crsql_changes"),
            1
        );
        drop(check(&connection, &["t"]));
    }
}
