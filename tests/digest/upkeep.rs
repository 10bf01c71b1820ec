//! The stored trees always agree with a computation from the rows alone, whatever was written and how.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{exec, one, refusal, rows};
use crate::conversation::converse;
use crate::random::Random;
use crate::support::{open, open_memory, scratch_dir};
use crate::world::{
    TABLES, assert_current, create, digest, digest_from_scratch, logical_state, pull, schedules,
    step, write,
};

#[test]
fn the_digest_is_that_of_the_rows_after_any_writes_and_merges() {
    for seed in 0..schedules() {
        let mut random = Random::new(seed);
        let few = *random.pick(&[20, 120, 600]);
        let replicas = [open_memory(), open_memory()];
        replicas.iter().for_each(create);
        for round in 0..random.between(3, 9) {
            let at = random.below(2);
            step(&mut random, &replicas[at], few);
            if random.percent(50) {
                pull(&mut random, &replicas[at], &replicas[1 - at]);
            }
            let checked = &replicas[random.below(2)];
            assert_current(checked, &format!("seed {seed}, round {round}"));
        }
        let [left, right] = &replicas;
        assert_eq!(
            digest(left) == digest(right),
            logical_state(left) == logical_state(right),
            "seed {seed}"
        );
    }
}

#[test]
fn what_is_written_unrecorded_is_in_the_digest_too() {
    for seed in 0..schedules() {
        let mut random = Random::new(1000 + seed);
        let connection = open_memory();
        create(&connection);
        exec(&connection, &write(&mut random, 100));
        digest(&connection);
        for round in 0..5 {
            exec(&connection, "SELECT crsql_internal_sync_bit(1)");
            for _ in 0..random.between(1, 5) {
                exec(&connection, &write(&mut random, 100));
            }
            exec(&connection, "SELECT crsql_internal_sync_bit(0)");
            exec(&connection, &write(&mut random, 100));
            assert_current(&connection, &format!("seed {seed}, round {round}"));
        }
    }
}

/// A trigger of the application that writes to other replicated rows during a merge is not recorded.
#[test]
fn what_triggers_write_during_a_merge_is_in_the_digest_too() {
    let (from, to) = (open_memory(), open_memory());
    create(&from);
    create(&to);
    exec(
        &to,
        "INSERT INTO word VALUES ('last', 0, 1.0); \
         CREATE TRIGGER follow AFTER INSERT ON num BEGIN UPDATE word SET zeta = NEW.id; END; \
         INSERT INTO num VALUES (1, 1, 'x')",
    );
    digest(&to);
    exec(&from, "INSERT INTO num VALUES (2, 2, 'y')");
    crate::support::merge(&to, &crate::support::changes(&from, 0));
    assert_eq!(one::<i64>(&to, "SELECT zeta FROM word"), 2);
    assert_current(&to, "after the merge");
}

#[test]
fn rows_that_a_trigger_adds_during_a_merge_count() {
    let (from, to) = (open_memory(), open_memory());
    create(&from);
    create(&to);
    exec(
        &to,
        "CREATE TRIGGER follow AFTER INSERT ON num BEGIN INSERT INTO word VALUES ('new ' || NEW.id, 0, 1.0); END; \
         INSERT INTO num VALUES (1, 1, 'x')",
    );
    digest(&to);
    exec(&from, "INSERT INTO num VALUES (2, 2, 'y')");
    crate::support::merge(&to, &crate::support::changes(&from, 0));
    assert_eq!(one::<i64>(&to, "SELECT count(*) FROM word"), 2);
    assert_current(&to, "after the merge");
}

/// A node that was spoilt stays so while keys far from it are written: nothing but the nodes of those is made.
#[test]
fn only_the_nodes_of_written_keys_are_made_anew() {
    let connection = open_memory();
    create(&connection);
    exec(
        &connection,
        "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 4000) \
         INSERT INTO num SELECT i, i, NULL FROM c",
    );
    digest(&connection);
    let leaves = "FROM crsql_digest_nodes WHERE tbl = 1 AND part = 0 AND level = 1";
    let ends: Vec<i64> = rows(&connection, &format!("SELECT last {leaves} ORDER BY last"))
        .into_iter()
        .filter_map(|row| leaf_end(&row[0]))
        .collect();
    assert!(ends.len() > 30);
    exec(
        &connection,
        &format!(
            "UPDATE crsql_digest_nodes SET digest = zeroblob(32) WHERE (tbl, part, level, last) IN \
             (SELECT tbl, part, level, last {leaves} ORDER BY last DESC LIMIT 1)"
        ),
    );
    for (index, write) in [
        format!("DELETE FROM num WHERE id = {}", ends[4]),
        format!("UPDATE num SET a = 0 WHERE id = {}", ends[9]),
        format!("INSERT INTO num VALUES ({}, 1, 1)", ends[4]),
        format!(
            "DELETE FROM num WHERE id BETWEEN {} AND {}",
            ends[14], ends[17]
        ),
        format!("UPDATE num SET id = -id WHERE id = {}", ends[20]),
    ]
    .iter()
    .enumerate()
    {
        exec(&connection, write);
        digest(&connection);
        let spoilt: i64 = one(
            &connection,
            &format!("SELECT count(*) {leaves} AND digest = zeroblob(32)"),
        );
        assert_eq!(spoilt, 1, "write {index}");
    }
    exec(
        &connection,
        "DELETE FROM num WHERE id > 3900; INSERT INTO num VALUES (3999, 1, 1)",
    );
    assert_current(&connection, "once the spoilt node was made anew");
}

/// The key of a leaf of a table with an integer key, as docs/design.md says it is stored.
fn leaf_end(last: &Value) -> Option<i64> {
    let Value::Blob(bytes) = last else {
        return None;
    };
    let bits: [u8; 8] = bytes.get(1..9)?.try_into().ok()?;
    Some(f64::from_bits(u64::from_be_bytes(bits) ^ 1 << 63) as i64)
}

/// Where a whole leaf is missing on one side, the leaf after it ends alike on both and holds the same rows.
#[test]
fn a_leaf_that_one_side_lacks_as_a_whole_is_found() {
    let left = open_memory();
    create(&left);
    let fill = |connection: &Connection, without: (i64, i64)| {
        exec(
            connection,
            &format!(
                "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 3000) \
                 INSERT INTO num SELECT i, i, NULL FROM c WHERE i NOT BETWEEN {} AND {}",
                without.0, without.1
            ),
        );
    };
    fill(&left, (0, 0));
    digest(&left);
    let ends: Vec<i64> = rows(
        &left,
        "SELECT last FROM crsql_digest_nodes WHERE part = 0 AND level = 1 ORDER BY last",
    )
    .into_iter()
    .filter_map(|row| leaf_end(&row[0]))
    .collect();
    for index in [3, 11, 20] {
        let right = open_memory();
        create(&right);
        fill(&right, (ends[index] + 1, ends[index + 1]));
        for (from, to) in [(&left, &right), (&right, &left)] {
            exec(from, "SAVEPOINT one; ");
            exec(to, "SAVEPOINT one");
            converse(from, to, 1 << 20);
            assert_eq!(digest(&left), digest(&right), "leaf {index}");
            exec(from, "ROLLBACK TO one; RELEASE one");
            exec(to, "ROLLBACK TO one; RELEASE one");
        }
    }
}

#[test]
fn a_tree_grows_and_shrinks_by_levels() {
    let connection = open_memory();
    create(&connection);
    let fill = |from: usize, to: usize| {
        let sql = format!(
            "WITH RECURSIVE c (i) AS (VALUES ({from}) UNION ALL SELECT i + 1 FROM c WHERE i < {to}) \
             INSERT INTO word SELECT 'w' || i, i, NULL FROM c"
        );
        exec(&connection, &sql);
    };
    let levels = || {
        one::<i64>(
            &connection,
            "SELECT max(level) FROM crsql_digest_nodes WHERE part = 0",
        )
    };
    fill(1, 5);
    assert_current(&connection, "5 rows");
    assert_eq!(levels(), 1);
    fill(6, 3000);
    assert_current(&connection, "3,000 rows");
    assert!(levels() >= 3);
    exec(&connection, "DELETE FROM word WHERE zeta > 3");
    assert_current(&connection, "3 rows");
    assert_eq!(levels(), 1);
    exec(&connection, "DELETE FROM word");
    assert_current(&connection, "no row");
    fill(1, 2500);
    assert_current(&connection, "every row again");
}

#[test]
fn an_unchanged_database_is_not_looked_at_again() {
    let directory = scratch_dir();
    let path = directory.join("a.db");
    let connection = open(&path);
    create(&connection);
    exec(&connection, "INSERT INTO num VALUES (1, 1, 'x')");
    let before = digest(&connection);
    let version: i64 = one(&connection, "PRAGMA data_version");
    let other = open(&path);
    assert_eq!(digest(&other), before);
    assert_eq!(
        one::<i64>(&connection, "PRAGMA data_version"),
        version,
        "asking wrote to the file"
    );
    exec(&other, "UPDATE num SET a = 2");
    assert_ne!(digest(&connection), before);
    assert_current(&connection, "written by another connection");
}

/// A connection remembers the digest; whoever changes the file, and however, it hears of that.
#[test]
fn no_connection_remembers_a_digest_that_is_past() {
    let mut random = Random::new(11);
    for journal in ["WAL", "DELETE", "TRUNCATE", "PERSIST"] {
        let directory = scratch_dir();
        let path = directory.join("a.db");
        let connections = [open(&path), open(&path), open(&path)];
        exec(&connections[0], &format!("PRAGMA journal_mode = {journal}"));
        create(&connections[0]);
        for round in 0..60 {
            let writer = &connections[random.below(2)];
            match random.below(8) {
                0 => {
                    let reader = &connections[2];
                    exec(reader, "BEGIN");
                    let before = digest(reader);
                    if journal == "WAL" {
                        exec(writer, &write(&mut random, 40));
                    }
                    assert_eq!(digest(reader), before, "{journal}, {round}: its snapshot");
                    exec(reader, "COMMIT");
                }
                1 => {
                    exec(writer, "BEGIN");
                    exec(writer, &write(&mut random, 40));
                    let before = digest(writer);
                    exec(writer, "INSERT INTO tag VALUES (randomblob(16))");
                    assert_ne!(digest(writer), before, "{journal}, {round}");
                    exec(writer, "ROLLBACK");
                }
                2 => exec(writer, "VACUUM"),
                3 => exec(
                    writer,
                    "ALTER TABLE num ADD COLUMN late; INSERT OR REPLACE INTO num (id, late) VALUES (1, random()); \
                                   SELECT crsql_begin_alter('num'); ALTER TABLE num DROP COLUMN late; SELECT crsql_commit_alter('num')",
                ),
                _ => step(&mut random, writer, 40),
            }
            let expected = digest(&open(&path));
            for connection in connections.iter().chain(&connections) {
                assert_eq!(digest(connection), expected, "{journal}, {round}");
            }
        }
    }
}

#[test]
fn a_connection_that_cannot_write_computes_the_digest() {
    let directory = scratch_dir();
    let path = directory.join("a.db");
    let connection = open(&path);
    create(&connection);
    exec(
        &connection,
        "INSERT INTO num VALUES (1, 1, 'x'), (2, 2, 'y')",
    );
    let read_only = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("open read-only");
    crate::support::load(&read_only).expect("load");
    let computed = digest(&read_only);
    exec(&connection, "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE");
    let locked = open(&path);
    exec(&locked, "PRAGMA busy_timeout = 0");
    assert_eq!(digest(&locked), computed, "while another connection writes");
    exec(&connection, "COMMIT");
    assert_eq!(digest(&connection), computed);
    exec(&connection, "DELETE FROM num WHERE id = 1");
    let after = digest(&read_only);
    assert_ne!(after, computed);
    assert_eq!(digest(&connection), after);
    assert_eq!(digest(&read_only), after, "what is stored is used");
}

#[test]
fn a_dropped_table_leaves_no_trace_in_the_digest() {
    let connection = open_memory();
    create(&connection);
    let empty = digest(&connection);
    exec(
        &connection,
        "INSERT INTO num VALUES (1, 1, 'x'); INSERT INTO tag VALUES (x'01')",
    );
    let both = digest(&connection);
    exec(&connection, "DROP TABLE tag");
    assert_current(&connection, "after DROP TABLE");
    exec(
        &connection,
        "CREATE TABLE tag (id BLOB PRIMARY KEY NOT NULL); SELECT crsql_as_crr('tag'); \
         INSERT INTO tag VALUES (x'02')",
    );
    assert_current(&connection, "after making it again");
    // Its id is given out again, and nobody asked for a digest in between.
    exec(
        &connection,
        "DROP TABLE tag; CREATE TABLE tag (id BLOB PRIMARY KEY NOT NULL); SELECT crsql_as_crr('tag')",
    );
    assert_current(&connection, "after making it once more");
    exec(&connection, "DELETE FROM tag; DROP TABLE num");
    assert_ne!(digest(&connection), both);
    for table in TABLES.iter().filter(|table| **table != "num") {
        exec(&connection, &format!("DROP TABLE {table}"));
    }
    assert_eq!(digest(&connection), empty);
}

#[test]
fn a_rename_counts_and_is_noticed() {
    let connection = open_memory();
    create(&connection);
    exec(&connection, "INSERT INTO tag VALUES (x'01'), (x'02')");
    let before = digest(&connection);
    exec(&connection, "ALTER TABLE tag RENAME TO label");
    let renamed = digest(&connection);
    assert_ne!(renamed, before);
    assert_current(&connection, "renamed");
    exec(&connection, "ALTER TABLE label RENAME TO TAG");
    assert_eq!(digest(&connection), before, "case does not count");
}

/// SQLite removes the rows that REPLACE displaces by another UNIQUE index without any trigger.
#[test]
fn rows_replaced_by_a_later_unique_index_leave_the_digest() {
    let connection = open_memory();
    create(&connection);
    exec(
        &connection,
        "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 2000) \
         INSERT INTO num SELECT i, i, 'x' FROM c",
    );
    digest(&connection);
    exec(
        &connection,
        "CREATE UNIQUE INDEX num_a ON num (a); INSERT OR REPLACE INTO num VALUES (3000, 2, 'z')",
    );
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM num"), 2000);
    let replaced = digest(&connection);
    assert_eq!(replaced, digest_from_scratch(&connection));
    exec(
        &connection,
        "INSERT OR REPLACE INTO num VALUES (4000, 3, 'z')",
    );
    assert_eq!(digest(&connection), digest_from_scratch(&connection));
    exec(
        &connection,
        "DROP INDEX num_a; INSERT INTO num VALUES (5000, 5, 'v')",
    );
    assert_current(&connection, "without the index");
}

#[test]
fn a_row_removed_behind_the_triggers_is_noticed_where_it_ended_a_node() {
    let connection = open_memory();
    create(&connection);
    exec(
        &connection,
        "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 2000) \
         INSERT INTO num SELECT i, i, NULL FROM c",
    );
    digest(&connection);
    let trigger: String = one(
        &connection,
        "SELECT sql FROM sqlite_schema WHERE name = 'crsql_1_delete'",
    );
    exec(
        &connection,
        &format!("DROP TRIGGER crsql_1_delete; DELETE FROM num WHERE id > 500; {trigger}"),
    );
    exec(&connection, "UPDATE num SET a = 0 WHERE id = 500");
    assert_eq!(digest(&connection), digest_from_scratch(&connection));
}

#[test]
fn wrong_calls_say_what_to_do() {
    let connection = open_memory();
    create(&connection);
    assert_eq!(
        refusal(&connection, "SELECT crsql_digest('nothing')"),
        "crsql: there is no replicated table \"nothing\" here; SELECT crsql_as_crr('nothing') makes it one"
    );
    for call in [
        "crsql_digest(1)",
        "crsql_digest(NULL)",
        "crsql_digest('num', 2)",
    ] {
        assert_eq!(
            refusal(&connection, &format!("SELECT {call}")),
            "crsql: call crsql_digest() for all replicated tables or crsql_digest('table') for one"
        );
    }
    let utf16 = open_memory_utf16();
    assert!(refusal(&utf16, "SELECT crsql_digest()").contains("as UTF-16"));
}

fn open_memory_utf16() -> Connection {
    let connection = Connection::open_in_memory().expect("open");
    exec(&connection, "PRAGMA encoding = 'UTF-16'");
    crate::support::load(&connection).expect("load");
    exec(
        &connection,
        "CREATE TABLE num (id INTEGER PRIMARY KEY, a); SELECT crsql_as_crr('num'); \
         CREATE TABLE word (k TEXT PRIMARY KEY NOT NULL); SELECT crsql_as_crr('word')",
    );
    connection
}
