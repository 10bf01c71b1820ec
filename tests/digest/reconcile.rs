//! Two databases are equal after a conversation, whatever made them different.

use rusqlite::Connection;

use crate::checks::{assert_same, exec, one};
use crate::conversation::{answer, converse, start};
use crate::random::Random;
use crate::support::{changes, merge, open, open_memory, scratch_dir};
use crate::world::{TABLES, assert_current, create, digest, logical_state, pull, schedules, step};

const MAX: i64 = 1 << 20;

fn replica() -> Connection {
    let connection = open_memory();
    create(&connection);
    connection
}

fn assert_equal(left: &Connection, right: &Connection, context: &str) {
    assert_eq!(
        logical_state(left),
        logical_state(right),
        "{context}: the states differ"
    );
    assert_eq!(digest(left), digest(right), "{context}: the digests differ");
}

#[test]
fn two_replicas_are_equal_after_a_conversation() {
    for seed in 0..schedules() {
        let mut random = Random::new(7000 + seed);
        let few = *random.pick(&[20, 120, 900]);
        let replicas = [replica(), replica()];
        for _ in 0..random.between(2, 8) {
            let at = random.below(2);
            step(&mut random, &replicas[at], few);
            if random.percent(40) {
                pull(&mut random, &replicas[at], &replicas[1 - at]);
            }
        }
        let [left, right] = &replicas;
        let max = *random.pick(&[1024, 1500, 8000, MAX]);
        let figures = converse(left, right, max);
        let context = format!("seed {seed}, {figures:?}");
        assert!(figures.largest <= max as usize, "{context}");
        assert_equal(left, right, &context);
        assert_current(left, &context);
        assert_current(right, &context);
        let again = converse(left, right, max);
        assert_eq!(again.messages, 1, "{context}: equal ones say it at once");
        assert!(again.bytes < 300);
    }
}

#[test]
fn three_replicas_are_equal_after_talking_in_pairs() {
    for seed in 0..schedules() / 2 {
        let mut random = Random::new(9000 + seed);
        let replicas = [replica(), replica(), replica()];
        for _ in 0..3 {
            for _ in 0..4 {
                let (at, from) = (random.below(3), random.below(3));
                step(&mut random, &replicas[at], 60);
                if at != from && random.percent(50) {
                    pull(&mut random, &replicas[from], &replicas[at]);
                }
            }
            converse(&replicas[0], &replicas[1], 2000);
            converse(&replicas[1], &replicas[2], MAX);
            converse(&replicas[2], &replicas[0], 1024);
            converse(&replicas[0], &replicas[1], MAX);
            let context = format!("seed {seed}");
            assert_equal(&replicas[0], &replicas[1], &context);
            assert_equal(&replicas[0], &replicas[2], &context);
        }
    }
}

#[test]
fn an_empty_replica_gets_everything_in_messages_of_the_size_asked_for() {
    let (left, right) = (replica(), replica());
    exec(
        &left,
        "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 5000) \
         INSERT INTO word SELECT 'word ' || i, i, i / 2.0 FROM c; \
         DELETE FROM word WHERE zeta % 3 = 0; UPDATE word SET zeta = -1 WHERE zeta % 5 = 0",
    );
    let figures = converse(&right, &left, 20_000);
    assert!(figures.largest <= 20_000, "{figures:?}");
    assert_equal(&left, &right, &format!("{figures:?}"));
    assert_same(&left, &right, &TABLES, "the rows");
    let back = replica();
    let figures = converse(&left, &back, 20_000);
    assert_equal(&left, &back, &format!("{figures:?}"));
}

#[test]
fn a_row_larger_than_a_message_may_be_travels_alone() {
    let (left, right) = (replica(), replica());
    exec(
        &left,
        "INSERT INTO num VALUES (1, zeroblob(70000), 'x'), (2, 2, 'y'), (3, randomblob(90000), NULL)",
    );
    let figures = converse(&left, &right, 1024);
    assert_equal(&left, &right, &format!("{figures:?}"));
    assert!(figures.largest < 92_000, "{figures:?}");
}

/// What no log shows: a database that was put back from a backup lost changes that its peers believe it has.
#[test]
fn a_restored_backup_gets_back_what_it_lost() {
    let directory = scratch_dir();
    let (path, backup) = (directory.join("a.db"), directory.join("backup.db"));
    let peer = replica();
    {
        let restored = open(&path);
        create(&restored);
        exec(
            &restored,
            "INSERT INTO num VALUES (1, 'kept', 1), (2, 'kept', 2), (3, 'kept', 3)",
        );
        digest(&restored);
        exec(&restored, &format!("VACUUM INTO '{}'", backup.display()));
        exec(
            &restored,
            "UPDATE num SET a = 'lost' WHERE id = 1; DELETE FROM num WHERE id = 2; INSERT INTO num VALUES (4, 'lost', 4)",
        );
        merge(&peer, &changes(&restored, 0));
    }
    std::fs::copy(&backup, &path).expect("restore");
    let restored = open(&path);
    exec(&restored, "UPDATE num SET b = 'after' WHERE id = 3");
    converse(&restored, &peer, MAX);
    assert_equal(&restored, &peer, "after the restoration");
    assert_eq!(
        one::<String>(
            &peer,
            "SELECT group_concat(id || a || b, ' ') FROM (SELECT * FROM num ORDER BY id)"
        ),
        "1lost1 3keptafter 4lost4"
    );
    assert_current(&restored, "after the restoration");
}

/// A life that began elsewhere inherits the values it finds, which the other side then has to hear of.
#[test]
fn values_inherited_by_a_new_life_reach_the_other_side() {
    let (left, right) = (replica(), replica());
    exec(
        &left,
        "INSERT INTO num VALUES (1, 'a', 'b'); UPDATE num SET a = 'x'; UPDATE num SET a = 'y'",
    );
    exec(
        &right,
        "INSERT INTO crsql_changes VALUES ('num', x'010901', 'b', 'new', 1, 5, NULL, 3, 0)",
    );
    converse(&left, &right, MAX);
    assert_equal(&left, &right, "after a new life met an old one");
    assert_eq!(
        one::<String>(&right, "SELECT a || b FROM num"),
        "ynew",
        "the value at version 0 came along"
    );
}

#[test]
fn few_messages_settle_a_few_rows() {
    for (first, second, most) in [
        ("INSERT INTO num VALUES (1, 1, 1)", "SELECT 1", 5),
        (
            "INSERT INTO num VALUES (1, 1, 1)",
            "INSERT INTO num VALUES (1, 2, 2)",
            4,
        ),
        (
            "INSERT INTO num VALUES (1, 1, 1)",
            "INSERT INTO num VALUES (1, 1, 1); DELETE FROM num",
            4,
        ),
    ] {
        let (left, right) = (replica(), replica());
        for side in [&left, &right] {
            exec(side, "INSERT INTO num VALUES (2, 2, 2)");
        }
        exec(&left, first);
        exec(&right, second);
        let figures = converse(&left, &right, MAX);
        assert_equal(&left, &right, second);
        assert!(
            figures.messages <= most,
            "{first} and {second}: {figures:?}"
        );
        assert!(figures.bytes < 900, "{first} and {second}: {figures:?}");
    }
}

#[test]
fn the_author_of_a_row_is_kept() {
    let (author, carrier, receiver) = (replica(), replica(), replica());
    exec(
        &author,
        "INSERT INTO num VALUES (1, 'a', 'b'); UPDATE num SET a = 'x'; INSERT INTO tag VALUES (x'01'); \
         DELETE FROM tag; INSERT INTO word VALUES ('whole', 1, 1)",
    );
    merge(&carrier, &changes(&author, 0));
    converse(&carrier, &receiver, MAX);
    let site: Vec<u8> = one(&author, "SELECT crsql_site_id()");
    let carried: Vec<u8> = one(&carrier, "SELECT crsql_site_id()");
    let of = |cid: &str, table: &str| {
        one::<Vec<u8>>(
            &receiver,
            &format!(
                "SELECT site_id FROM crsql_changes WHERE cid = '{cid}' AND \"table\" = '{table}'"
            ),
        )
    };
    assert_eq!(of("a", "num"), site);
    assert_eq!(of("-1", "tag"), site);
    assert_eq!(
        of("zeta", "word"),
        carried,
        "who inserted a row that was never changed is not looked for"
    );
    exec(&carrier, "SELECT crsql_config_set('merge-equal-values', 1)");
    exec(&author, "INSERT INTO word VALUES ('other', 1, 1)");
    merge(&carrier, &changes(&author, 0));
    exec(&receiver, "DELETE FROM word");
    converse(&carrier, &receiver, MAX);
    assert_eq!(
        of("zeta", "word"),
        site,
        "unless equal values are settled by it"
    );
}

#[test]
fn tables_that_cannot_be_compared_are_left_alone() {
    let (left, right) = (replica(), open_memory());
    exec(
        &right,
        "CREATE TABLE num (id INTEGER PRIMARY KEY, a, b TEXT, c); SELECT crsql_as_crr('num'); \
         CREATE TABLE word (k TEXT PRIMARY KEY NOT NULL, ALPHA REAL, Zeta); SELECT crsql_as_crr('word'); \
         CREATE TABLE extra (id INTEGER PRIMARY KEY); SELECT crsql_as_crr('extra'); \
         INSERT INTO num VALUES (1, 1, 1, 1); INSERT INTO word VALUES ('right', 1, 1); INSERT INTO extra VALUES (1)",
    );
    exec(
        &left,
        "INSERT INTO num VALUES (2, 2, 2); INSERT INTO word VALUES ('left', 2, 2); INSERT INTO tag VALUES (x'02')",
    );
    let figures = converse(&left, &right, MAX);
    assert!(figures.messages < 8, "{figures:?}");
    let of = |table: &str| format!("SELECT hex(crsql_digest('{table}'))");
    assert_eq!(
        one::<String>(&left, &of("word")),
        one::<String>(&right, &of("word")),
        "columns in another order and case are the same columns"
    );
    assert_eq!(one::<i64>(&left, "SELECT count(*) FROM num"), 1);
    assert_eq!(one::<i64>(&right, "SELECT count(*) FROM num"), 1);
    assert_ne!(digest(&left), digest(&right), "the digests tell");
}

/// Rows that the two sides can never hold alike are sent to and fro a few times, and no more.
#[test]
fn rows_that_cannot_become_equal_do_not_keep_a_conversation_going() {
    let (left, right) = (open_memory(), open_memory());
    exec(
        &left,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); SELECT crsql_as_crr('t'); \
         WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 300) \
         INSERT INTO t SELECT i, i FROM c",
    );
    exec(
        &right,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); SELECT crsql_as_crr('t'); \
         INSERT INTO t VALUES (7, 8), (1000, 5); DELETE FROM t WHERE id = 7",
    );
    for max in [1024, 3000, MAX] {
        let figures = converse(&left, &right, max);
        assert!(figures.messages < 400, "{figures:?}");
        assert_eq!(one::<i64>(&left, "SELECT count(*) FROM t"), 300);
        assert_eq!(one::<i64>(&right, "SELECT count(*) FROM t"), 300);
    }
    assert_ne!(digest(&left), digest(&right));
}

#[test]
fn a_key_column_of_another_kind_ends_too() {
    let (left, right) = (open_memory(), open_memory());
    exec(
        &left,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); SELECT crsql_as_crr('t'); INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    exec(
        &right,
        "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v); SELECT crsql_as_crr('t'); \
         INSERT INTO t VALUES ('2', 5), ('3', 3); DELETE FROM t WHERE id = '3'",
    );
    let figures = converse(&left, &right, MAX);
    assert!(figures.messages < 20, "{figures:?}");
}

/// A number in a message was compared with a TEXT key as text: the answer held rows that were not in the range that it
/// named, so the other side could not read it, and rows were left out.
#[test]
fn keys_that_one_side_converts_are_compared_as_they_sort() {
    for (kinds, lefts, rights, all) in [
        (["TEXT", ""], ["'1'", "'a'"], ["3", "'b'"], "1,3,a,b"),
        (["NUMERIC", "TEXT"], ["1", "7"], ["'3'", "'9'"], "1,3,7,9"),
    ] {
        let [left, right] = [(kinds[0], lefts), (kinds[1], rights)].map(|(kind, rows)| {
            let connection = open_memory();
            let [first, second] = rows;
            exec(
                &connection,
                &format!(
                    "CREATE TABLE k(id {kind} PRIMARY KEY NOT NULL, v); SELECT crsql_as_crr('k');
                     INSERT INTO k VALUES ({first}, 1), ({second}, 2)"
                ),
            );
            connection
        });
        let figures = converse(&left, &right, MAX);
        assert!(figures.messages < 20, "{figures:?}");
        for side in [&left, &right] {
            let ids = "SELECT group_concat(id) FROM (SELECT DISTINCT CAST(id AS TEXT) AS id FROM k ORDER BY 1)";
            assert_eq!(one::<String>(side, ids), all, "{kinds:?}");
        }
    }
}

#[test]
fn a_refused_row_leaves_the_database_as_it_was() {
    let (left, right) = (replica(), open_memory());
    exec(
        &right,
        "CREATE TABLE num (id INTEGER PRIMARY KEY, a CHECK (a <> 'bad'), b TEXT); SELECT crsql_as_crr('num')",
    );
    exec(
        &left,
        "INSERT INTO num VALUES (1, 'good', 1), (2, 'bad', 2)",
    );
    let mut message = start(&left);
    let before = digest(&right);
    let error = loop {
        match answer(&right, &message, MAX) {
            Ok(Some(reply)) => {
                message = answer(&left, &reply, MAX).expect("left").expect("more");
            }
            Ok(None) => panic!("the row was not refused"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("CHECK constraint"), "{error}");
    assert_eq!(one::<i64>(&right, "SELECT count(*) FROM num"), 0);
    assert_eq!(digest(&right), before);
    assert_current(&right, "after the error");
}

#[test]
fn a_conversation_goes_on_while_both_sides_write() {
    let (left, right) = (replica(), replica());
    let mut random = Random::new(5);
    for side in [&left, &right] {
        step(&mut random, side, 500);
    }
    let mut message = Some(start(&left));
    let mut listeners = [&right, &left].into_iter().cycle();
    let mut count = 0;
    while let Some(said) = message {
        let listener = listeners.next().expect("a listener");
        if count < 6 {
            step(&mut random, listener, 500);
        }
        count += 1;
        assert!(count < 500, "the conversation does not end");
        message = answer(listener, &said, 1500).expect("an answer");
    }
    converse(&left, &right, MAX);
    assert_equal(&left, &right, "at last");
}

#[test]
fn a_conversation_inside_a_transaction_is_undone_with_it() {
    let (left, right) = (replica(), replica());
    exec(&left, "INSERT INTO num VALUES (1, 1, 1)");
    let before = digest(&right);
    exec(&right, "BEGIN; INSERT INTO word VALUES ('mine', 1, 1)");
    converse(&left, &right, MAX);
    assert_equal(&left, &right, "inside");
    exec(&right, "ROLLBACK");
    assert_eq!(digest(&right), before);
    converse(&left, &right, MAX);
    assert_equal(&left, &right, "once more");
    assert_eq!(one::<i64>(&right, "SELECT count(*) FROM word"), 1);
}
