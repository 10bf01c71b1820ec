//! With other parts of SQLite in one transaction: full-text search, attached databases, statements
//! prepared before the upgrade, triggers that merge.

use rusqlite::types::Value;

use crate::checks::{
    Follower, assert_same, check, create_crr, exec, literal, one, refusal, rows, upgrade,
};
use crate::support::{changes, merge, open, open_memory, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

/// The three triggers that SQLite's documentation gives for an external content table.
const SEARCH: &str = "CREATE VIRTUAL TABLE search USING fts5(a, b, content = 't', content_rowid = 'k'); \
    CREATE TRIGGER s_insert AFTER INSERT ON t BEGIN \
      INSERT INTO search(rowid, a, b) VALUES (NEW.k, NEW.a, NEW.b); END; \
    CREATE TRIGGER s_delete AFTER DELETE ON t BEGIN \
      INSERT INTO search(search, rowid, a, b) VALUES ('delete', OLD.k, OLD.a, OLD.b); END; \
    CREATE TRIGGER s_update AFTER UPDATE ON t BEGIN \
      INSERT INTO search(search, rowid, a, b) VALUES ('delete', OLD.k, OLD.a, OLD.b); \
      INSERT INTO search(rowid, a, b) VALUES (NEW.k, NEW.a, NEW.b); END";

#[test]
fn full_text_search_follows_local_writes_and_merges() {
    let [left, right] = [open_memory(), open_memory()];
    for side in [&left, &right] {
        create_crr(side, "t", TABLE);
        exec(side, SEARCH);
    }
    exec(
        &left,
        "INSERT INTO t VALUES (1, 'red apple', 'x'), (2, 'green pear', 'y'), (3, 'red plum', 'z')",
    );
    exec(
        &left,
        "BEGIN; UPDATE t SET a = 'blue plum' WHERE k = 3; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT",
    );
    merge(&right, &changes(&left, 0));
    exec(
        &right,
        "UPDATE t SET k = 4 WHERE k = 2; DELETE FROM t WHERE k = 1; UPDATE t SET b = 'red' WHERE k = 3",
    );
    merge(&left, &changes(&right, 0));
    assert_same(&left, &right, &["t"], "both ways");
    for side in [left, right] {
        let found = |word: &str| {
            rows(
                &side,
                &format!("SELECT rowid FROM search WHERE search MATCH '{word}' ORDER BY rowid"),
            )
        };
        assert_eq!(found("red"), [[Value::Integer(3)]]);
        assert_eq!(found("pear"), [[Value::Integer(4)]]);
        assert!(found("apple").is_empty());
        exec(
            &side,
            "INSERT INTO search(search) VALUES ('integrity-check')",
        );
        check(&side, &["t"]);
        side.close()
            .map_err(|(_, error)| error)
            .expect("close answers OK");
    }
}

#[test]
fn one_transaction_over_an_attached_plain_database() {
    let directory = scratch_dir();
    let connection = open(directory.join("main.db"));
    let other = directory.join("other.db");
    exec(
        &connection,
        &format!(
            "ATTACH {} AS other",
            literal(other.to_str().expect("UTF-8"))
        ),
    );
    exec(&connection, "CREATE TABLE other.plain(a)");
    create_crr(&connection, "t", TABLE);
    let mut follower = Follower::new(&connection, &["t"]);
    for sql in [
        "BEGIN; INSERT INTO t VALUES (1, 1, 1); INSERT INTO other.plain VALUES (1); COMMIT",
        "BEGIN; INSERT INTO other.plain VALUES (2); SAVEPOINT s; INSERT INTO t VALUES (2, 1, 1); ROLLBACK TO s; COMMIT",
        "BEGIN; UPDATE t SET a = 2; SAVEPOINT s; INSERT INTO other.plain VALUES (3); ROLLBACK TO s; UPDATE t SET b = 2; COMMIT",
        "BEGIN; DELETE FROM t; INSERT INTO other.plain VALUES (4); ROLLBACK",
    ] {
        exec(&connection, sql);
        follower.pull(&connection, sql);
    }
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM other.plain"),
        2
    );
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 2);
    check(&connection, &["t"]);
}

#[test]
fn statements_prepared_before_the_upgrade_are_captured_after_it() {
    let connection = open_memory();
    exec(&connection, TABLE);
    {
        let mut insert = connection
            .prepare("INSERT INTO t(a) VALUES (?1)")
            .expect("prepare");
        let mut update = connection.prepare("UPDATE t SET b = ?1").expect("prepare");
        let mut delete = connection
            .prepare("DELETE FROM t WHERE a = ?1")
            .expect("prepare");
        insert.execute(["before"]).expect("insert");
        upgrade(&connection, "t");
        insert.execute(["after"]).expect("insert");
        update.execute(["b"]).expect("update");
        exec(&connection, "CREATE TABLE other(x); BEGIN");
        delete.execute(["before"]).expect("delete");
        exec(&connection, "CREATE INDEX t_a ON t(a)");
        insert.execute(["later"]).expect("insert");
        exec(&connection, "COMMIT");
    }
    check(&connection, &["t"]);
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM crsql_changes WHERE cid = '-1' AND cl = 2"
        ),
        1
    );
}

#[test]
fn an_upgrade_while_the_table_is_being_read() {
    let connection = open_memory();
    exec(&connection, TABLE);
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
    );
    let mut reading = connection.prepare("SELECT k FROM t").expect("prepare");
    let mut found = reading.query([]).expect("read");
    let mut keys = Vec::new();
    while let Some(row) = found.next().expect("the next row") {
        keys.push(row.get::<_, i64>(0).expect("a key"));
        if keys.len() == 1 {
            upgrade(&connection, "t");
            exec(&connection, "UPDATE t SET a = 'while reading' WHERE k = 1");
        }
    }
    assert_eq!(keys, [1, 2, 3]);
    drop(found);
    drop(reading);
    check(&connection, &["t"]);
}

#[test]
fn a_trigger_of_an_inbox_table_merges() {
    for trusted in ["ON", "OFF"] {
        let connection = open_memory();
        exec(&connection, &format!("PRAGMA trusted_schema = {trusted}"));
        create_crr(&connection, "t", TABLE);
        exec(
            &connection,
            "CREATE TABLE inbox(t, pk, cid, val, cv, dv, s, cl, q); \
             CREATE TRIGGER apply AFTER INSERT ON inbox BEGIN \
               INSERT INTO crsql_changes VALUES (NEW.t, NEW.pk, NEW.cid, NEW.val, NEW.cv, NEW.dv, NEW.s, NEW.cl, NEW.q); END",
        );
        let two = "INSERT INTO inbox VALUES ('t', x'010905', 'a', 'boxed', 1, 1, x'07', 1, 0), \
                   ('t', x'010905', 'b', 'boxed', 1, 1, x'07', 1, 1)";
        exec(&connection, two);
        // A refused change refuses the row of the inbox, and those before it.
        let bad = "INSERT INTO inbox VALUES ('t', x'010906', 'a', 1, 1, 1, x'07', 1, 0), ('t', x'0109', 'a', 1, 1, 1, x'07', 1, 0)";
        refusal(&connection, bad);
        assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM inbox"), 2);
        check(&connection, &["t"]);
        assert_eq!(
            one::<i64>(
                &connection,
                "SELECT count(*) FROM t WHERE a = 'boxed' AND b = 'boxed'"
            ),
            1
        );
    }
}

#[test]
fn reading_under_query_only() {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 4",
    );
    let expected = changes(&connection, 0);
    exec(&connection, "PRAGMA query_only = ON");
    assert_eq!(changes(&connection, 0), expected);
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 2);
    assert_eq!(one::<i64>(&connection, "SELECT crsql_next_db_version()"), 3);
    assert_eq!(
        refusal(&connection, "UPDATE t SET a = 5"),
        "attempt to write a readonly database"
    );
    exec(&connection, "PRAGMA query_only = OFF; UPDATE t SET a = 5");
    check(&connection, &["t"]);
}
