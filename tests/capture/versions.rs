//! Versions that a connection remembers from its last transaction.

use rusqlite::Connection;

use crate::checks::{check, create_crr, exec, one};
use crate::support::{open, open_memory, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY NOT NULL, a)";

fn version(connection: &Connection) -> i64 {
    one(connection, "SELECT crsql_db_version()")
}

/// Writes a row, and gives the version of that.
fn write(connection: &Connection) -> i64 {
    exec(connection, "INSERT INTO t(a) VALUES (1)");
    one(
        connection,
        "SELECT db_version FROM crsql_changes WHERE pk = (SELECT crsql_pack_columns(max(k)) FROM t)",
    )
}

#[test]
fn what_another_connection_writes_in_between_is_counted() {
    let directory = scratch_dir();
    let path = directory.join("shared.db");
    let first = open(&path);
    create_crr(&first, "t", TABLE);
    let second = open(&path);
    for (round, journal) in ["DELETE", "WAL"].into_iter().enumerate() {
        one::<String>(&first, &format!("PRAGMA journal_mode = {journal}"));
        let mut expected = 20 * round as i64;
        for writer in [
            &first, &first, &second, &second, &first, &second, &first, &first, &second, &first,
        ] {
            expected += 2;
            assert_eq!(write(writer), expected - 1, "{journal}");
            exec(writer, "BEGIN; UPDATE t SET a = a + 1 WHERE k = 1; COMMIT");
            assert_eq!(version(&first), expected, "{journal}");
        }
    }
    check(&first, &["t"]);
}

#[test]
fn what_is_rolled_back_leaves_no_version_behind() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    assert_eq!(write(&origin), 1);
    exec(
        &origin,
        "BEGIN; INSERT INTO t(a) VALUES (1); SELECT count(*) FROM crsql_changes; ROLLBACK",
    );
    assert_eq!(write(&origin), 2);
    exec(
        &origin,
        "BEGIN; INSERT INTO t(a) VALUES (1); SAVEPOINT s; UPDATE t SET a = 2; ROLLBACK TO s; COMMIT",
    );
    assert_eq!(write(&origin), 4);
    exec(
        &origin,
        "BEGIN; SAVEPOINT s; UPDATE t SET a = 3; SELECT count(*) FROM crsql_changes; ROLLBACK TO s; COMMIT",
    );
    assert_eq!(write(&origin), 5);
    exec(&origin, "BEGIN; SELECT crsql_next_db_version(90); COMMIT");
    assert_eq!(write(&origin), 6);
    check(&origin, &["t"]);
}

#[test]
fn a_version_that_came_with_a_merge_is_followed() {
    let origin = open_memory();
    create_crr(&origin, "t", TABLE);
    assert_eq!(write(&origin), 1);
    let theirs = |key: i64, version: i64| {
        format!(
            "INSERT INTO crsql_changes(\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq)
             VALUES ('t', crsql_pack_columns({key}), 'a', 'theirs', 1, {version}, x'aa', 1, 0)"
        )
    };
    // It is in the log when the savepoint is undone, and nothing is written to the log after that.
    exec(
        &origin,
        &format!(
            "BEGIN; {}; SELECT count(*) FROM crsql_changes;
             SAVEPOINT s; UPDATE t SET a = 2; ROLLBACK TO s; COMMIT",
            theirs(100, 50)
        ),
    );
    assert_eq!(write(&origin), 51);
    exec(&origin, &theirs(200, 70));
    assert_eq!(write(&origin), 71);
    check(&origin, &["t"]);
}

#[test]
fn versions_of_a_table_that_is_ordinary_again_do_not_come_back() {
    let origin = open_memory();
    create_crr(
        &origin,
        "u",
        "CREATE TABLE u(k INTEGER PRIMARY KEY NOT NULL)",
    );
    create_crr(&origin, "t", TABLE);
    exec(
        &origin,
        "INSERT INTO u VALUES (1); INSERT INTO u VALUES (2); SELECT crsql_as_table('u')",
    );
    assert_eq!(write(&origin), 3);
    create_crr(
        &origin,
        "v",
        "CREATE TABLE v(k INTEGER PRIMARY KEY NOT NULL)",
    );
    exec(
        &origin,
        "BEGIN; INSERT INTO v VALUES (1); SELECT crsql_as_table('v'); COMMIT",
    );
    assert_eq!(write(&origin), 5);
}

#[test]
fn another_database_that_takes_the_place_of_this_one_in_memory_has_its_own_versions() {
    let mut origin = open_memory();
    create_crr(&origin, "t", TABLE);
    exec(&origin, "CREATE TABLE plain(a)");
    let image =
        |connection: &mut Connection| connection.serialize("main").expect("its bytes").to_vec();
    write(&origin);
    let early = image(&mut origin);
    let latest = (0..20).map(|_| write(&origin)).max().expect("versions");
    let late = image(&mut origin);
    let become_that = |connection: &mut Connection, image: &[u8]| {
        connection
            .deserialize_read_exact("main", image, image.len(), false)
            .expect("take its place");
    };
    // How often a database in memory was written says nothing about which one it is.
    for writes in 0..4 {
        let mut connection = open_memory();
        become_that(&mut connection, &early);
        write(&connection);
        become_that(&mut connection, &late);
        for _ in 0..writes {
            exec(&connection, "INSERT INTO plain VALUES (1)");
        }
        assert_eq!(
            write(&connection),
            latest + 1,
            "after {writes} other writes"
        );
    }
}
