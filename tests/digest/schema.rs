//! Digests and conversations across changes of the schema.

use rusqlite::Connection;

use crate::checks::{exec, one};
use crate::conversation::converse;
use crate::random::Random;
use crate::support::open_memory;
use crate::world::{assert_current, create, digest, logical_state, pull, schedules, step, write};

const MAX: i64 = 1 << 20;

fn filled(rows: usize) -> Connection {
    let connection = open_memory();
    create(&connection);
    exec(
        &connection,
        &format!(
            "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < {rows}) \
             INSERT INTO num SELECT i, i, 'x' FROM c; UPDATE num SET b = 'y' WHERE id % 3 = 0; \
             DELETE FROM num WHERE id % 11 = 0"
        ),
    );
    connection
}

/// Spoils a node far from everything, which only making the whole tree anew repairs.
fn spoil(connection: &Connection) {
    exec(
        connection,
        "UPDATE crsql_digest_nodes SET digest = zeroblob(32) WHERE last = (SELECT max(last) FROM crsql_digest_nodes \
         WHERE part = 0 AND level = 1) AND part = 0 AND level = 1",
    );
}

fn is_spoilt(connection: &Connection) -> bool {
    one(
        connection,
        "SELECT EXISTS (SELECT 1 FROM crsql_digest_nodes WHERE digest = zeroblob(32))",
    )
}

#[test]
fn an_added_column_changes_no_digest_and_no_tree() {
    let connection = filled(1500);
    let before = digest(&connection);
    spoil(&connection);
    exec(&connection, "ALTER TABLE num ADD COLUMN c DEFAULT 5");
    assert_eq!(digest(&connection), before);
    exec(
        &connection,
        "UPDATE num SET c = 6 WHERE id = 4; INSERT INTO num VALUES (0, 0, 0, 5)",
    );
    assert_ne!(digest(&connection), before);
    assert!(is_spoilt(&connection), "the tree was made anew");
    exec(&connection, "DELETE FROM crsql_digest_state");
    assert_current(&connection, "with a late column");
}

#[test]
fn a_renamed_column_changes_the_digest_of_every_row() {
    let connection = filled(300);
    let before = digest(&connection);
    exec(&connection, "ALTER TABLE num RENAME COLUMN b TO renamed");
    assert_ne!(digest(&connection), before);
    assert_current(&connection, "renamed");
    exec(&connection, "UPDATE num SET renamed = 'z' WHERE id = 1");
    assert_current(&connection, "renamed and written");
    exec(
        &connection,
        "UPDATE num SET renamed = 'x' WHERE id = 1; ALTER TABLE num RENAME COLUMN renamed TO B",
    );
    assert_current(&connection, "renamed back");
}

#[test]
fn a_dropped_column_leaves_the_digest() {
    let connection = filled(300);
    digest(&connection);
    exec(
        &connection,
        "SELECT crsql_begin_alter('num'); ALTER TABLE num DROP COLUMN b; INSERT INTO num VALUES (-3, 3)",
    );
    assert_current(&connection, "in a session");
    exec(&connection, "SELECT crsql_commit_alter('num')");
    assert_current(&connection, "dropped");
    exec(&connection, "ALTER TABLE num ADD COLUMN b");
    assert_current(&connection, "and added again");
    exec(&connection, "UPDATE num SET b = 1 WHERE id = 5");
    assert_current(&connection, "and written");
}

/// What a session puts into a table that it makes anew is in no log.
#[test]
fn a_table_made_anew_in_a_session_is_read_anew() {
    let connection = filled(300);
    digest(&connection);
    exec(
        &connection,
        "SELECT crsql_begin_alter('num'); CREATE TABLE other (id INTEGER PRIMARY KEY, a, b TEXT); \
         INSERT INTO other SELECT id, a, 'changed' FROM num; DROP TABLE num; ALTER TABLE other RENAME TO num; \
         SELECT crsql_commit_alter('num')",
    );
    assert_current(&connection, "made anew");
}

/// What other tools write fires no trigger; after `crsql_adopt` it counts.
#[test]
fn what_was_written_behind_the_triggers_counts_once_it_is_adopted() {
    let connection = filled(300);
    digest(&connection);
    let triggers = "SELECT group_concat('DROP TRIGGER \"' || name || '\"', ';') FROM sqlite_schema \
                    WHERE type = 'trigger' AND tbl_name = 'num' AND name LIKE '%update%'";
    let drops: String = one(&connection, triggers);
    exec(&connection, &drops);
    exec(&connection, "UPDATE num SET a = -1 WHERE id = 17");
    digest(&connection);
    exec(&connection, "SELECT crsql_adopt('num')");
    assert_current(&connection, "adopted");
}

#[test]
fn a_table_that_is_no_longer_replicated_leaves_the_digest() {
    let connection = filled(100);
    digest(&connection);
    exec(&connection, "SELECT crsql_as_table('num')");
    let empty = open_memory();
    assert_eq!(digest(&connection), digest(&empty));
    exec(&connection, "SELECT crsql_as_crr('num')");
    assert_current(&connection, "replicated again");
}

#[test]
fn late_columns_become_equal_too() {
    for seed in 0..schedules() {
        let mut random = Random::new(20_000 + seed);
        let replicas = [open_memory(), open_memory()];
        replicas.iter().for_each(create);
        for _ in 0..4 {
            let at = random.below(2);
            step(&mut random, &replicas[at], 80);
            if random.percent(50) {
                pull(&mut random, &replicas[at], &replicas[1 - at]);
            }
        }
        for (index, replica) in replicas.iter().enumerate() {
            digest(replica);
            let (first, second) =
                ["tag ADD COLUMN late DEFAULT 'd'", "num ADD COLUMN late"].split_at(1);
            let order = if index == 0 {
                [first, second]
            } else {
                [second, first]
            };
            for alteration in order.concat() {
                exec(replica, &format!("ALTER TABLE {alteration}"));
                for _ in 0..random.between(1, 4) {
                    let table = *random.pick(&["tag", "num"]);
                    let known: bool = one(
                        replica,
                        &format!(
                            "SELECT count(*) FROM pragma_table_info('{table}') WHERE name = 'late'"
                        ),
                    );
                    if known {
                        let value = *random.pick(&["'d'", "NULL", "7"]);
                        exec(
                            replica,
                            &format!(
                                "UPDATE {table} SET late = {value} WHERE rowid IN \
                                 (SELECT rowid FROM {table} ORDER BY random() LIMIT 3); \
                                 INSERT OR IGNORE INTO {table} (id, late) VALUES ({}, {value})",
                                random.below(90)
                            ),
                        );
                    }
                    if random.percent(40) {
                        exec(replica, "DELETE FROM num WHERE id % 5 = 2");
                    }
                }
            }
            assert_current(replica, &format!("seed {seed}"));
        }
        let [left, right] = &replicas;
        converse(left, right, *random.pick(&[1024, MAX]));
        assert_eq!(logical_state(left), logical_state(right), "seed {seed}");
        assert_eq!(digest(left), digest(right), "seed {seed}");
        assert_current(left, &format!("seed {seed}"));
    }
}

#[test]
fn a_table_is_compared_before_an_added_column_was_written_to() {
    let (left, right) = (filled(50), filled(50));
    for side in [&left, &right] {
        exec(side, "ALTER TABLE num ADD COLUMN c");
    }
    exec(&left, "UPDATE num SET c = 1 WHERE id = 2");
    let mut random = Random::new(1);
    exec(&right, &write(&mut random, 10));
    converse(&left, &right, MAX);
    assert_eq!(one::<i64>(&right, "SELECT c FROM num WHERE id = 2"), 1);
    assert_eq!(digest(&left), digest(&right));
}
