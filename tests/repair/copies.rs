//! Copied files: an identity of their own, also for connections that are open already.

use crate::checks::{assert_same, create_crr, empty_replica, exec, one};
use crate::support::{changes, merge, open, open_memory, scratch_dir};
use crate::{assert_clean, problems};
use rusqlite::Connection;

fn site(connection: &Connection) -> Vec<u8> {
    one(connection, "SELECT crsql_site_id()")
}

fn reset(connection: &Connection) -> Vec<u8> {
    one(connection, "SELECT crsql_site_id_reset()")
}

fn prepared(connection: &Connection) {
    create_crr(
        connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    create_crr(
        connection,
        "p",
        "CREATE TABLE p(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    exec(
        connection,
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3); INSERT INTO p VALUES ('x', 1), ('y', 2);
         UPDATE t SET a = 'B' WHERE k = 2; DELETE FROM t WHERE k = 3; DELETE FROM p WHERE k = 'x'; INSERT INTO p VALUES ('x', 3)",
    );
}

#[test]
fn the_history_keeps_its_author_and_everything_else() {
    let connection = open_memory();
    prepared(&connection);
    let peer = empty_replica(&connection, &["t", "p"]);
    exec(&peer, "INSERT INTO t VALUES (9, 'theirs', 1)");
    merge(&connection, &changes(&peer, 0));
    let before = changes(&connection, 0);
    let (former, new) = (site(&connection), reset(&connection));
    assert_eq!(new.len(), 16);
    assert_eq!((new[6] >> 4, new[8] >> 6), (4, 2), "a UUID of version 4");
    assert_ne!(former, new);
    assert_eq!(site(&connection), new);
    assert_eq!(
        changes(&connection, 0),
        before,
        "not a byte of the history changes"
    );
    assert_clean(&connection, "reset");
    let again = reset(&connection);
    assert_eq!(changes(&connection, 0), before);
    exec(&connection, "UPDATE t SET a = 'mine' WHERE k IN (1, 2, 9)");
    let mine: Vec<_> = changes(&connection, 0)
        .into_iter()
        .filter(|change| change.site_id == again)
        .collect();
    assert_eq!(mine.len(), 3);
    merge(&peer, &changes(&connection, 0));
    assert_same(&connection, &peer, &["t", "p"], "after a pull");
    assert_clean(&connection, "written");
}

#[test]
fn the_original_and_its_copy_replicate() {
    let directory = scratch_dir();
    let original = open(directory.join("original.db"));
    prepared(&original);
    exec(
        &original,
        &format!("VACUUM INTO '{}'", directory.join("copy.db").display()),
    );
    let copy = open(directory.join("copy.db"));
    assert_eq!(site(&copy), site(&original));
    reset(&copy);
    exec(
        &original,
        "UPDATE t SET b = 10 WHERE k = 1; INSERT INTO p VALUES ('o', 1); DELETE FROM t WHERE k = 2",
    );
    exec(
        &copy,
        "UPDATE t SET a = 'C' WHERE k = 1; INSERT INTO p VALUES ('c', 1); UPDATE t SET b = 5 WHERE k = 2",
    );
    for _ in 0..2 {
        merge(&copy, &changes(&original, 0));
        merge(&original, &changes(&copy, 0));
    }
    assert_same(&original, &copy, &["t", "p"], "after two exchanges");
    assert_clean(&original, "the original");
    assert_clean(&copy, "the copy");
}

#[test]
fn connections_that_are_open_notice() {
    let directory = scratch_dir();
    let path = directory.join("x.db");
    for has_tables in [false, true] {
        let (first, second) = (open(&path), open(&path));
        if has_tables {
            prepared(&first);
            exec(&second, "INSERT INTO t VALUES (7, 7, 7)");
        }
        let former = site(&second);
        let new = reset(&first);
        assert_ne!(former, new);
        assert_eq!(site(&second), new);
        if !has_tables {
            continue;
        }
        let since: i64 = one(&second, "SELECT crsql_db_version()");
        exec(
            &second,
            "INSERT INTO t VALUES (8, 8, 8); UPDATE t SET a = 9 WHERE k = 7",
        );
        exec(&first, "DELETE FROM t WHERE k = 8");
        assert!(
            changes(&first, since)
                .iter()
                .all(|change| change.site_id == new)
        );
        // An echo of the own change is known for one, though it comes under the new id.
        merge(&second, &changes(&second, 0));
        assert_clean(&second, "written by both");
        assert_eq!(
            one::<i64>(&first, "SELECT count(*) FROM crsql_site_id"),
            3,
            "the new one and two former"
        );
    }
}

#[test]
fn a_reset_that_is_rolled_back_leaves_the_old_identity() {
    let directory = scratch_dir();
    let path = directory.join("x.db");
    let connection = open(&path);
    prepared(&connection);
    let former = site(&connection);
    for undo in ["ROLLBACK", "ROLLBACK TO s; RELEASE s; COMMIT"] {
        exec(&connection, "BEGIN; SAVEPOINT s");
        assert_ne!(reset(&connection), former);
        exec(&connection, "UPDATE t SET a = 'new' WHERE k = 1");
        exec(&connection, undo);
        assert_eq!(site(&connection), former, "{undo}");
        exec(&connection, "UPDATE t SET b = b + 1 WHERE k = 1");
        let last = changes(&connection, 0).pop().expect("a change");
        assert_eq!(
            (last.site_id, last.cid.as_str()),
            (former.clone(), "b"),
            "{undo}"
        );
        assert_clean(&connection, undo);
    }
    // The number that SQLite gives to a state of the schema comes again after a rollback, for another one.
    exec(&connection, "BEGIN");
    let undone = reset(&connection);
    assert_eq!(site(&connection), undone);
    exec(&connection, "ROLLBACK");
    let other = open(&path);
    let new = reset(&other);
    assert_eq!(site(&connection), new);
    exec(&connection, "UPDATE t SET b = b + 1 WHERE k = 1");
    assert_clean(&connection, "after another one's reset");
}

#[test]
fn what_waits_in_memory_stays_with_the_former_id() {
    let connection = open_memory();
    prepared(&connection);
    let peer = empty_replica(&connection, &["t", "p"]);
    exec(&peer, "INSERT INTO t VALUES (9, 'theirs', 1)");
    let former = site(&connection);
    exec(
        &connection,
        "BEGIN; INSERT INTO t VALUES (5, 5, 5); UPDATE t SET a = 5 WHERE k = 1",
    );
    let theirs = changes(&peer, 0);
    crate::support::try_merge(&connection, &theirs).expect("merge");
    let new = reset(&connection);
    exec(
        &connection,
        "INSERT INTO t VALUES (6, 6, 6); UPDATE t SET b = 6 WHERE k = 1; COMMIT",
    );
    let author = |sql: &str| {
        one::<Vec<u8>>(
            &connection,
            &format!("SELECT site_id FROM crsql_changes WHERE {sql}"),
        )
    };
    assert_eq!(
        author("cid = 'a' AND val = 5 AND pk = crsql_pack_columns(1)"),
        former
    );
    assert_eq!(author("cid = 'a' AND pk = crsql_pack_columns(5)"), former);
    assert_eq!(author("cid = 'b' AND pk = crsql_pack_columns(1)"), new);
    assert_eq!(author("cid = 'a' AND pk = crsql_pack_columns(6)"), new);
    assert_eq!(
        author("cid = 'a' AND pk = crsql_pack_columns(9)"),
        site(&peer)
    );
    assert_clean(&connection, "committed");
}

#[test]
fn many_records_are_renumbered() {
    let connection = open_memory();
    prepared(&connection);
    exec(
        &connection,
        "WITH n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20010) INSERT INTO t(k, a) SELECT i, i FROM n;
         UPDATE t SET a = a + 1; INSERT INTO p SELECT 'k' || k, k FROM t; UPDATE p SET a = 0",
    );
    let before = changes(&connection, 0);
    reset(&connection);
    assert_eq!(changes(&connection, 0), before);
    assert_clean(&connection, "reset");
}

#[test]
fn own_changes_that_are_not_known_show_a_copy_and_echoes_do_not() {
    let directory = scratch_dir();
    let original = open(directory.join("original.db"));
    prepared(&original);
    let peer = empty_replica(&original, &["t", "p"]);
    merge(&peer, &changes(&original, 0));
    exec(&peer, "UPDATE t SET b = 77; UPDATE p SET a = 78");
    merge(&original, &changes(&peer, 0));
    merge(&original, &changes(&peer, 0));
    assert_clean(&original, "echoes");
    let backup = directory.join("backup.db");
    exec(&original, &format!("VACUUM INTO '{}'", backup.display()));
    exec(
        &original,
        "INSERT INTO t VALUES (10, 'after the backup', 1)",
    );
    merge(&peer, &changes(&original, 0));
    // The original is lost, and its backup takes its place.
    let restored = open(&backup);
    merge(&restored, &changes(&peer, 0));
    assert_eq!(problems(&restored), ["||site id used elsewhere"]);
    reset(&restored);
    assert_clean(&restored, "reset");
    merge(&restored, &changes(&peer, 0));
    assert_clean(&restored, "with the peer's changes again");
    assert_same(&restored, &peer, &["t", "p"], "restored");
}

/// Brings all changes of one database to another.
type Way = fn(&Connection, &Connection);

fn by_changeset(from: &Connection, to: &Connection) {
    let data = one::<Vec<u8>>(from, "SELECT crsql_changeset(0)");
    let won = to.query_row("SELECT crsql_apply(?1)", [data], |row| row.get::<_, i64>(0));
    won.expect("applied");
}

fn by_message(from: &Connection, to: &Connection) {
    let mut message = Some(one::<Vec<u8>>(from, "SELECT crsql_reconcile()"));
    let mut listeners = [to, from].into_iter().cycle();
    while let Some(said) = message {
        let listener = listeners.next().expect("a listener");
        let answer = listener.query_row("SELECT crsql_reconcile(?1)", [said], |row| row.get(0));
        message = answer.expect("an answer");
    }
}

fn by_rows(from: &Connection, to: &Connection) {
    merge(to, &changes(from, 0));
}

/// As above, however the changes come back.
#[test]
fn own_changes_in_changesets_and_messages_show_a_copy_too() {
    for way in [by_changeset, by_message as Way] {
        let directory = scratch_dir();
        let original = open(directory.join("original.db"));
        prepared(&original);
        let peer = empty_replica(&original, &["t", "p"]);
        way(&original, &peer);
        exec(&peer, "UPDATE t SET b = 77; UPDATE p SET a = 78");
        way(&peer, &original);
        way(&peer, &original);
        assert_clean(&original, "echoes");
        let backup = directory.join("backup.db");
        exec(&original, &format!("VACUUM INTO '{}'", backup.display()));
        exec(
            &original,
            "INSERT INTO t VALUES (10, 'after the backup', 1); UPDATE t SET b = 5",
        );
        way(&original, &peer);
        let restored = open(&backup);
        way(&peer, &restored);
        assert_eq!(problems(&restored), ["||site id used elsewhere"]);
    }
}

#[test]
fn changes_without_an_author_are_no_sign_of_a_copy() {
    let connection = open_memory();
    prepared(&connection);
    exec(
        &connection,
        "INSERT INTO crsql_changes VALUES ('t', crsql_pack_columns(50), 'a', 1, 1, 1, NULL, 1, 0)",
    );
    assert_clean(&connection, "an import");
}

/// The database forgot what it wrote to a column that was dropped; peers did not.
#[test]
fn own_changes_of_a_column_that_was_dropped_are_no_sign_of_a_copy() {
    for way in [by_rows as Way, by_changeset] {
        check_a_column_that_was_dropped(way);
    }
}

fn check_a_column_that_was_dropped(bring: Way) {
    let connection = open_memory();
    prepared(&connection);
    let peer = empty_replica(&connection, &["t", "p"]);
    exec(&connection, "UPDATE t SET a = 'again' WHERE k = 1");
    merge(&peer, &changes(&connection, 0));
    let drop = "SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a; SELECT crsql_commit_alter('t')";
    let add = "ALTER TABLE t ADD COLUMN a; SELECT crsql_as_crr('t')";
    exec(&connection, drop);
    // Before the column is there again they wait, and afterwards they are merged.
    bring(&peer, &connection);
    exec(&connection, add);
    assert_eq!(
        one::<String>(&connection, "SELECT a FROM t WHERE k = 1"),
        "again"
    );
    exec(&connection, drop);
    exec(&connection, add);
    bring(&peer, &connection);
    assert_eq!(
        one::<String>(&connection, "SELECT a FROM t WHERE k = 1"),
        "again"
    );
    assert_clean(&connection, "own changes are back");
    // A column that was always there shows a copy.
    let mut elsewhere = changes(&peer, 0)
        .into_iter()
        .find(|change| change.cid == "b" && change.site_id == site(&connection))
        .expect("an own change");
    elsewhere.col_version += 1;
    merge(&connection, &[elsewhere]);
    assert_eq!(problems(&connection), ["||site id used elsewhere"]);
}

#[test]
fn a_row_of_the_own_site_that_is_gone_is_put_back_first() {
    let connection = open_memory();
    prepared(&connection);
    let before = changes(&connection, 0);
    let former = site(&connection);
    exec(&connection, "DELETE FROM crsql_site_id WHERE ordinal = 0");
    assert_ne!(reset(&connection), former);
    assert_eq!(changes(&connection, 0), before);
    assert_clean(&connection, "reset");
}

/// An original, a copy of its file that keeps its id, a third site whose id is larger, or smaller, and a fourth; all settle
/// equal values by site.
fn copied(directory: &std::path::Path, is_third_larger: bool) -> [Connection; 4] {
    let original = open(directory.join("original.db"));
    create_crr(
        &original,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, c)",
    );
    exec(
        &original,
        "SELECT crsql_config_set('merge-equal-values', 1); INSERT INTO t VALUES (1, 0, 0, 0)",
    );
    let file = directory.join("copy.db");
    exec(&original, &format!("VACUUM INTO '{}'", file.display()));
    let copy = open(file);
    assert_eq!(site(&copy), site(&original));
    let others = std::iter::repeat_with(|| {
        let other = empty_replica(&original, &["t"]);
        by_rows(&original, &other);
        exec(&other, "SELECT crsql_config_set('merge-equal-values', 1)");
        other
    });
    let mut others = others.filter(|other| (site(other) > site(&original)) == is_third_larger);
    let mut other = || others.next().expect("as many as are asked for");
    let (third, fourth) = (other(), other());
    [original, copy, third, fourth]
}

fn author(connection: &Connection, cid: &str) -> Vec<u8> {
    let pk =
        "SELECT site_id FROM crsql_changes WHERE \"table\" = 't' AND pk = crsql_pack_columns(1)";
    one(connection, &format!("{pk} AND cid = '{cid}'"))
}

/// What came back under the own id never won against an equal value, so that the original named another author than all others.
#[test]
fn replicas_name_one_author_where_a_copy_wrote_the_same_value() {
    for way in [by_rows as Way, by_changeset, by_message] {
        for (is_third_larger, is_copy_first) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let directory = scratch_dir();
            let [original, copy, third, fourth] = copied(&directory, is_third_larger);
            let expected = site(&copy).max(site(&third));
            // Rows that are equal but for their authors are not sent in messages: each has something that the other lacks.
            exec(&copy, "UPDATE t SET a = 'same', b = 'copy'");
            exec(&third, "UPDATE t SET a = 'same', c = 'third'");
            for to in [&original, &fourth] {
                bring(way, &copy, &third, is_copy_first, to);
                let context = format!("{is_third_larger} {is_copy_first}");
                assert_eq!(author(to, "a"), expected, "{context}");
                assert_eq!(author(to, "b"), site(&copy), "{context}");
                assert_eq!(author(to, "c"), site(&third), "{context}");
            }
            assert_same(&original, &fourth, &["t"], "the same came to both");
        }
    }
}

/// Brings what two databases wrote to a third, in this order or the other.
fn bring(way: Way, copy: &Connection, third: &Connection, is_copy_first: bool, to: &Connection) {
    let (first, second) = match is_copy_first {
        true => (copy, third),
        false => (third, copy),
    };
    way(first, to);
    way(second, to);
}

/// The same, where the column is added after the values came.
#[test]
fn replicas_name_one_author_where_equal_values_waited_for_their_column() {
    const ADD: &str = "ALTER TABLE t ADD COLUMN d";
    for way in [by_rows as Way, by_changeset] {
        for (is_third_larger, is_copy_first) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let directory = scratch_dir();
            let [original, copy, third, fourth] = copied(&directory, is_third_larger);
            for writer in [&copy, &third] {
                exec(writer, &format!("{ADD}; UPDATE t SET d = 'same'"));
            }
            for to in [&original, &fourth] {
                bring(way, &copy, &third, is_copy_first, to);
                exec(to, &format!("{ADD}; SELECT crsql_as_crr('t')"));
                assert_eq!(
                    author(to, "d"),
                    site(&copy).max(site(&third)),
                    "{is_third_larger} {is_copy_first}"
                );
            }
        }
    }
}
