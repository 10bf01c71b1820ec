//! Updates and deletes that fail: what they leave behind is recorded, or can't be committed.

use crate::checks::{check, check_partial, create_crr, exec, one, refusal};
use crate::support::{open, open_memory, scratch_dir, try_merge};
use rusqlite::{Connection, params};

const DOOMED: &str = "crsql: an earlier statement of this transaction failed halfway, so it can't be committed; ROLLBACK and try again";

/// Each fails where it is recorded, after it has written its row.
const WRITES: [&str; 4] = [
    "UPDATE t SET a = 9 WHERE k = 1",
    "UPDATE t SET a = 9",
    "DELETE FROM t WHERE k = 1",
    "UPDATE OR FAIL t SET a = 9",
];

/// A table whose writes can't be recorded until `mend` ran.
fn lost() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'); DROP TRIGGER crsql_1_insert",
    );
    connection
}

fn mend(connection: &Connection) {
    exec(connection, "SELECT crsql_adopt('t')");
}

fn content(connection: &Connection) -> String {
    one(
        connection,
        "SELECT group_concat(k || a || b, ' ' ORDER BY k) FROM t",
    )
}

const UNTOUCHED: &str = "1ab 2ab";

#[test]
fn a_write_that_is_not_recorded_can_not_be_committed() {
    for write in WRITES {
        let connection = lost();
        exec(&connection, "BEGIN");
        assert!(refusal(&connection, write).contains("lost capture triggers"));
        assert_eq!(refusal(&connection, "COMMIT"), DOOMED, "{write}");
        assert!(
            connection.is_autocommit(),
            "a COMMIT that is refused is a ROLLBACK"
        );
        assert_eq!(content(&connection), UNTOUCHED, "{write}");
        mend(&connection);
        exec(&connection, "UPDATE t SET b = 'c'");
        check(&connection, &["t"]);
    }
}

#[test]
fn going_back_before_the_failure_makes_the_rest_committable() {
    for write in WRITES {
        let connection = lost();
        exec(
            &connection,
            "CREATE TABLE u(k INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('u');
             INSERT INTO u VALUES (1, 1);
             BEGIN; UPDATE u SET a = 2; SAVEPOINT before; SAVEPOINT inner",
        );
        assert!(refusal(&connection, write).contains("lost capture triggers"));
        exec(&connection, "RELEASE inner");
        exec(
            &connection,
            "ROLLBACK TO before; UPDATE u SET a = 3; COMMIT",
        );
        assert_eq!(content(&connection), UNTOUCHED, "{write}");
        assert_eq!(one::<i64>(&connection, "SELECT a FROM u"), 3);
        mend(&connection);
        check(&connection, &["t", "u"]);
    }
}

#[test]
fn alone_a_write_that_is_not_recorded_is_undone() {
    for write in WRITES {
        let connection = lost();
        assert!(refusal(&connection, write).contains("lost capture triggers"));
        assert_eq!(content(&connection), UNTOUCHED, "{write}");
        mend(&connection);
        check(&connection, &["t"]);
    }
}

#[test]
fn where_nobody_hears_of_the_commit_the_transaction_is_rolled_back_at_once() {
    for write in WRITES {
        let connection = open_memory();
        create_crr(
            &connection,
            "t",
            "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
        );
        exec(
            &connection,
            "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'); CREATE TABLE plain(x);
             CREATE TEMP TABLE crsql_transaction(unused);
             BEGIN; INSERT INTO plain VALUES (1)",
        );
        let text = refusal(&connection, write);
        assert!(text.contains("crsql_transaction hides"), "{text}");
        assert!(connection.is_autocommit(), "{write}");
        assert_eq!(content(&connection), UNTOUCHED, "{write}");
        assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM plain"), 0);
        exec(
            &connection,
            "DROP TABLE temp.crsql_transaction; UPDATE t SET a = 'c'",
        );
        check(&connection, &["t"]);
    }
}

#[test]
fn a_replicated_table_of_an_attached_file_stays_as_it_is() {
    for mode in ["WAL", "DELETE", "MEMORY"] {
        let dir = scratch_dir();
        let other = dir.join("other.db");
        let origin = open(&other);
        exec(&origin, &format!("PRAGMA journal_mode = {mode}"));
        create_crr(&origin, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)");
        exec(&origin, "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b')");
        let connection = open_memory();
        connection
            .execute(
                "ATTACH ?1 AS other",
                params![other.to_str().expect("a UTF-8 path")],
            )
            .expect("attach");
        exec(
            &connection,
            "CREATE TABLE u(k INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('u');
             INSERT INTO u VALUES (1, 1)",
        );
        for write in WRITES {
            let write = write
                .replace("UPDATE t", "UPDATE other.t")
                .replace("FAIL t", "FAIL other.t")
                .replace("FROM t", "FROM other.t");
            let refused = || assert!(refusal(&connection, &write).contains("opened as main"));
            refused();
            exec(&connection, "BEGIN; UPDATE u SET a = 2");
            refused();
            assert_eq!(refusal(&connection, "COMMIT"), DOOMED, "{write}");
            exec(&connection, "BEGIN; SAVEPOINT s");
            refused();
            exec(&connection, "ROLLBACK TO s; UPDATE u SET a = a + 1; COMMIT");
            assert_eq!(content(&origin), UNTOUCHED, "{mode} {write}");
        }
        check(&connection, &["u"]);
        check(&origin, &["t"]);
    }
}

#[test]
fn rows_that_sqlite_keeps_of_a_failed_statement_are_recorded() {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    exec(
        &connection,
        "CREATE TABLE big(k, v);
         INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'), (3, 'a', 'b');
         INSERT INTO big VALUES (1, 7), (2, 9223372036854775807), (2, 9223372036854775807);
         BEGIN; UPDATE t SET b = 'c' WHERE k = 3",
    );
    let half = "UPDATE t SET a = (SELECT sum(v) FROM big WHERE big.k = t.k)";
    assert!(refusal(&connection, half).contains("integer overflow"));
    assert_eq!(content(&connection), "17b 2ab 3ac");
    // What is known of the schema must not outlive the statement, although it counted no change.
    exec(
        &connection,
        "ALTER TABLE t ADD COLUMN d; UPDATE t SET d = 5 WHERE k = 1; COMMIT",
    );
    let replica = check_partial(&connection, &["t"]);
    assert_eq!(one::<i64>(&replica, "SELECT a + d FROM t WHERE k = 1"), 12);
}

#[test]
fn a_call_by_hand_leaves_the_transaction_of_its_caller_alone() {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'); CREATE TABLE plain(x); INSERT INTO plain VALUES (1)",
    );
    for name in ["update", "update_set", "delete"] {
        for arguments in ["", "1", "1, 1", "1, 2, 3", "NULL, NULL, NULL, NULL"] {
            let call = format!("SELECT crsql_capture_{name}({arguments})");
            refusal(&connection, &call);
            exec(&connection, "BEGIN");
            refusal(&connection, &call);
            exec(&connection, "UPDATE t SET a = 'c'");
            refusal(&connection, &call);
            exec(&connection, "COMMIT");
        }
    }
    check(&connection, &["t"]);
    // Within a statement that writes nobody can tell.
    exec(&connection, "BEGIN");
    refusal(
        &connection,
        "UPDATE plain SET x = (SELECT crsql_capture_update(1, 2, 3))",
    );
    assert_eq!(refusal(&connection, "COMMIT"), DOOMED);
}

/// A trigger that runs before the capture, and fails with an error for which SQLite opens no journal by itself.
const FAILING: &str = "CREATE TRIGGER words AFTER UPDATE ON t BEGIN INSERT INTO word SELECT value FROM json_each(new.a); END";

fn with_words(connection: &Connection) {
    create_crr(
        connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    exec(
        connection,
        &format!(
            "CREATE TABLE word(w); INSERT INTO t VALUES (1, '[]', 'b'), (2, '[]', 'b'); {FAILING}"
        ),
    );
}

fn fails_and_commits(connection: &Connection, case: &str) {
    exec(connection, "BEGIN; UPDATE t SET b = 'c' WHERE k = 2");
    let text = refusal(connection, "UPDATE t SET a = 'no JSON' WHERE k = 1");
    assert!(text.contains("malformed JSON"), "{text}");
    exec(connection, "COMMIT");
    let kept = one::<i64>(connection, "SELECT count(*) FROM t WHERE a = 'no JSON'");
    assert_eq!(kept, 0, "{case}");
}

/// Without a journal the row stayed changed, and no peer heard of it.
#[test]
fn a_write_that_a_trigger_of_the_application_fails_is_undone() {
    let connection = open_memory();
    with_words(&connection);
    fails_and_commits(&connection, "made on the same connection");
    check(&connection, &["t"]);

    let dir = scratch_dir();
    let path = dir.join("a.db");
    with_words(&open(&path));
    let connection = open(&path);
    let text = "BEGIN; UPDATE t SET a = 'no JSON' WHERE k = 1";
    assert!(connection.execute_batch(text).is_err());
    exec(&connection, "COMMIT");
    assert_eq!(content(&connection), "1[]b 2[]b", "there at load");
    fails_and_commits(&connection, "there at load");
    check(&connection, &["t"]);
}

#[test]
fn a_statement_from_before_the_first_write_undoes_what_it_wrote_from_the_next_transaction_on() {
    let connection = open_memory();
    with_words(&connection);
    let mut update = connection
        .prepare("UPDATE t SET a = ?1 WHERE k = ?2")
        .expect("an update");
    update.execute(params!["[1]", 2]).expect("a write");
    exec(&connection, "BEGIN");
    assert!(update.execute(params!["no JSON", 1]).is_err());
    exec(&connection, "COMMIT");
    assert_eq!(content(&connection), "1[]b 2[1]b");
    check(&connection, &["t"]);
}

#[test]
fn a_merge_that_a_trigger_of_the_application_fails_leaves_the_row_as_it_was() {
    let (a, b) = (open_memory(), open_memory());
    for connection in [&a, &b] {
        create_crr(
            connection,
            "t",
            "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
        );
    }
    exec(
        &a,
        "INSERT INTO t VALUES (1, '[]', 'b'), (2, '[]', 'b'); UPDATE t SET a = 'no JSON' WHERE k = 1",
    );
    exec(
        &b,
        &format!(
            "CREATE TABLE word(w); INSERT INTO t VALUES (1, '[]', 'b'), (2, '[]', 'b'); {FAILING}; UPDATE t SET b = 'c'; BEGIN"
        ),
    );
    for change in crate::changes(&a, 0) {
        let merged = try_merge(&b, std::slice::from_ref(&change));
        let is_refused = change.cid == "a" && change.col_version == 2;
        assert_eq!(merged.is_err(), is_refused, "{change:?}");
    }
    exec(&b, "COMMIT");
    assert_eq!(content(&b), "1[]c 2[]c");
    check(&b, &["t"]);
}
