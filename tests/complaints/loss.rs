//! Silent loss and divergence.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{
    Follower, assert_same, check, check_partial, content, create_crr, exec, identities, one, rows,
    upgrade,
};
use crate::support::{Change, changes, merge, open, open_memory, scratch_dir, try_merge};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 'd')";

fn replica() -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    connection
}

/// Everything from each to each.
fn exchange(replicas: &[&Connection]) {
    for from in replicas {
        for to in replicas {
            if !std::ptr::eq(*from, *to) {
                merge(to, &changes(from, 0));
            }
        }
    }
}

fn assert_equal(replicas: &[&Connection], context: &str) {
    for other in &replicas[1..] {
        assert_same(replicas[0], other, &["t"], context);
    }
}

/// A change of the row with this small key, from a foreign site.
fn change(
    key: u8,
    cid: &str,
    val: impl Into<Value>,
    col_version: i64,
    db_version: i64,
    cl: i64,
) -> Change {
    let pk = if key == 0 {
        vec![1, 1]
    } else {
        vec![1, 9, key]
    };
    Change {
        table: "t".into(),
        pk,
        cid: cid.into(),
        val: val.into(),
        col_version,
        db_version,
        site_id: vec![7; 16],
        cl,
        seq: 0,
    }
}

#[test]
fn complaint_01_insert_or_replace_skips_the_delete_trigger() {
    // The cells of the replaced row stayed in the metadata, so that replicas kept parts of it.
    let origin = replica();
    exec(&origin, "INSERT INTO t VALUES (1, 'old a', 'old b')");
    let mut follower = Follower::new(&origin, &["t"]);
    follower.pull(&origin, "the first insert");
    exec(&follower.replica, "UPDATE t SET b = 'edited there'");
    exec(&origin, "REPLACE INTO t(k, a) VALUES (1, 'new a')");
    assert_eq!(
        content(&origin, "t"),
        ["Integer(1)|Text(\"new a\")|Text(\"d\")|"]
    );
    let late = replica();
    exchange(&[&origin, &follower.replica, &late]);
    assert_equal(&[&origin, &follower.replica, &late], "after the exchange");
    assert_eq!(one::<String>(&late, "SELECT a FROM t"), "new a");
    let untouched = Follower::new(&origin, &["t"]);
    exec(&origin, "REPLACE INTO t VALUES (1, NULL, NULL)");
    merge(&untouched.replica, &changes(&origin, 0));
    assert_same(&origin, &untouched.replica, &["t"], "replaced by NULLs");
    check(&origin, &["t"]);
}

#[test]
fn complaint_02_a_key_change_reaches_peers_that_pull_what_is_new() {
    // Only the two sentinels were new: the peer built a row of NULLs.
    let origin = replica();
    exec(
        &origin,
        "INSERT INTO t VALUES (1, 'a', 'b'); UPDATE t SET a = 'c'; UPDATE t SET b = 'e'",
    );
    let mut follower = Follower::new(&origin, &["t"]);
    follower.pull(&origin, "version 3");
    exec(&origin, "UPDATE t SET k = 2");
    assert_eq!(follower.pull(&origin, "the key change"), 4);
    assert_eq!(
        content(&follower.replica, "t"),
        ["Integer(2)|Text(\"c\")|Text(\"e\")|"]
    );
}

#[test]
fn complaint_03_both_delete_and_one_creates_again() {
    let [left, right, third] = [replica(), replica(), replica()];
    exec(&left, "INSERT INTO t VALUES (1, 'first', 'life')");
    exchange(&[&left, &right, &third]);
    exec(
        &left,
        "DELETE FROM t; INSERT INTO t VALUES (1, 'second', 'life')",
    );
    exec(&right, "DELETE FROM t");
    // Both orders of delivery.
    merge(&third, &changes(&right, 0));
    merge(&third, &changes(&left, 0));
    merge(&right, &changes(&left, 0));
    merge(&left, &changes(&right, 0));
    assert_equal(
        &[&left, &right, &third],
        "re-created by one of two who deleted",
    );
    assert_eq!(one::<String>(&third, "SELECT a FROM t"), "second");
}

#[test]
fn complaint_04_ties_settle_alike_everywhere() {
    let values = [
        "NULL",
        "x''",
        "x'00'",
        "''",
        "'a'",
        "'ab'",
        "'B'",
        "-1e300",
        "2.5",
        "9e999",
        "-5",
        "3",
        "9223372036854775807",
    ];
    for (low, first) in values.iter().enumerate() {
        for (high, second) in values.iter().enumerate() {
            let [left, right] = [replica(), replica()];
            exec(&left, &format!("INSERT INTO t VALUES (1, {first}, 0)"));
            exec(&right, &format!("INSERT INTO t VALUES (1, {second}, 0)"));
            exchange(&[&left, &right]);
            let context = format!("{first} against {second}");
            assert_equal(&[&left, &right], &context);
            // The list is in the order of the rule: the storage class first, then the value; only
            // 'a', 'ab' and 'B' stand in reading order, where bytes put 'B' first.
            let winner = match (values[low.max(high)], values[low.min(high)]) {
                ("'B'", lower @ ("'a'" | "'ab'")) => lower,
                (higher, _) => higher,
            };
            let wins: i64 = one(
                &left,
                &format!("SELECT a IS {winner} AND typeof(a) = typeof({winner}) FROM t"),
            );
            assert_eq!(wins, 1, "{context}: {winner} should win");
            let versions =
                [&left, &right].map(|side| one::<i64>(side, "SELECT crsql_db_version()"));
            exchange(&[&left, &right]);
            exchange(&[&left, &right]);
            assert_eq!(
                versions,
                [&left, &right].map(|side| one::<i64>(side, "SELECT crsql_db_version()")),
                "{context} goes on"
            );
        }
    }
}

#[test]
fn complaint_05_a_change_whose_write_failed_is_not_applied() {
    let checked = "CREATE TABLE t(k INTEGER PRIMARY KEY, a INT CHECK (a < 100), b DEFAULT 'd')";
    let target = open_memory();
    create_crr(&target, "t", checked);
    exec(&target, "INSERT INTO t VALUES (1, 1, 1)");
    exec(
        &target,
        "CREATE TRIGGER guard BEFORE UPDATE OF b ON t WHEN NEW.b = 'no' BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    let before = (changes(&target, 0), content(&target, "t"));
    for refused in [
        change(1, "a", 100, 5, 5, 1),
        change(2, "a", 500, 1, 5, 1),
        change(1, "b", "no".to_owned(), 5, 5, 1),
    ] {
        try_merge(&target, std::slice::from_ref(&refused)).expect_err("the constraint");
        assert_eq!(
            (changes(&target, 0), content(&target, "t")),
            before,
            "{refused:?}"
        );
        assert_eq!(one::<i64>(&target, "SELECT crsql_db_version()"), 1);
        assert_eq!(one::<i64>(&target, "SELECT crsql_rows_impacted()"), 0);
    }
    exec(&target, "DROP TRIGGER guard");
    merge(&target, &[change(1, "b", "no".to_owned(), 5, 5, 1)]);
    assert_eq!(
        one::<String>(&target, "SELECT b FROM t"),
        "no",
        "delivered again, it applies"
    );
    check(&target, &["t"]);
}

#[test]
fn complaint_06_nothing_stays_of_a_row_whose_insert_failed() {
    let target = open_memory();
    create_crr(
        &target,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a INT CHECK (a < 100), b DEFAULT 'd')",
    );
    exec(&target, "INSERT INTO t VALUES (1, 1, 1); DELETE FROM t");
    let before = changes(&target, 0);
    // A cell of a new life resurrects the row first; neither may stay.
    for refused in [
        change(1, "a", 100, 1, 9, 3),
        change(2, "a", 100, 1, 9, 1),
        change(3, "a", 100, 1, 9, 5),
    ] {
        try_merge(&target, &[refused]).expect_err("the constraint");
        assert_eq!(changes(&target, 0), before);
        assert!(content(&target, "t").is_empty());
    }
    exec(&target, "INSERT INTO t VALUES (2, 2, 2), (3, 3, 3)");
    check(&target, &["t"]);
    let lives: Vec<i64> = changes(&target, 2).iter().map(|change| change.cl).collect();
    assert_eq!(lives, [1, 1, 1, 1], "keys that were only refused are new");
}

#[test]
fn complaint_07_local_writes_are_captured_after_a_failed_merge() {
    for transaction in [false, true] {
        let target = open_memory();
        create_crr(
            &target,
            "t",
            "CREATE TABLE t(k INTEGER PRIMARY KEY, a INT CHECK (a < 100), b NOT NULL DEFAULT 'd')",
        );
        exec(
            &target,
            if transaction {
                "BEGIN; INSERT INTO t VALUES (8, 8, 8)"
            } else {
                "INSERT INTO t VALUES (8, 8, 8)"
            },
        );
        exec(
            &target,
            "CREATE TRIGGER guard BEFORE DELETE ON t BEGIN SELECT RAISE(FAIL, 'kept'); END",
        );
        let failing = [
            change(1, "a", 100, 1, 9, 1),
            change(8, "b", Value::Null, 9, 9, 1),
            change(8, "-1", Value::Null, 2, 9, 2),
            change(1, "k", 1, 1, 9, 1),
        ];
        for refused in failing {
            try_merge(&target, &[refused]).expect_err("refused");
            assert_eq!(one::<i64>(&target, "SELECT crsql_internal_sync_bit()"), 0);
        }
        exec(
            &target,
            "INSERT INTO t VALUES (9, 9, 9); UPDATE t SET a = 10 WHERE k = 8",
        );
        if transaction {
            exec(&target, "COMMIT");
        }
        exec(&target, "DROP TRIGGER guard");
        check(&target, &["t"]);
    }
}

#[test]
fn complaint_08_a_reported_version_is_durable() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = open(&path);
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let mut connection = connection;
    let mut highest = 1;
    for sql in [
        "UPDATE t SET a = a",
        "SELECT crsql_next_db_version()",
        "SELECT crsql_next_db_version(150)",
        "BEGIN; SELECT crsql_next_db_version(150); CREATE TABLE plain(a); COMMIT",
        "BEGIN; UPDATE t SET a = 9; ROLLBACK",
        "BEGIN; SELECT crsql_next_db_version(70); UPDATE t SET a = 9; COMMIT",
        "INSERT INTO crsql_changes VALUES ('t', x'010901', 'a', 0, 0, 500, x'01', 1, 0)",
        "INSERT INTO crsql_changes VALUES ('t', x'010901', 'b', 5, 9, 600, x'01', 1, 0)",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 1, 1)",
    ] {
        connection
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let said: i64 = one(&connection, "SELECT crsql_db_version()");
        connection
            .close()
            .map_err(|(_, error)| error)
            .expect("close");
        connection = open(&path);
        assert_eq!(
            one::<i64>(&connection, "SELECT crsql_db_version()"),
            said,
            "reopened after {sql}"
        );
        assert!(said >= highest, "{said} after {highest}: {sql}");
        highest = said;
    }
    let next: i64 = one(&connection, "SELECT crsql_next_db_version()");
    exec(&connection, "UPDATE t SET b = 'next'");
    assert_eq!(
        one::<i64>(&connection, "SELECT max(db_version) FROM crsql_changes"),
        next
    );
    check(&connection, &["t"]);
}

#[test]
fn complaint_09_upgrading_again_resets_nothing() {
    let connection = replica();
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 3; UPDATE t SET a = 4; DELETE FROM t; INSERT INTO t VALUES (1, 1, 1); UPDATE t SET b = 2",
    );
    let before = changes(&connection, 0);
    for _ in 0..2 {
        upgrade(&connection, "t");
        upgrade(&connection, "T");
    }
    exec(
        &connection,
        "SELECT crsql_as_crr('main', 't'); VACUUM; REINDEX; ANALYZE",
    );
    assert_eq!(changes(&connection, 0), before);
    check(&connection, &["t"]);
}

#[test]
fn complaint_10_clocks_above_32_bits_and_near_the_end() {
    let target = replica();
    let big = 1 << 40;
    let mut first = change(1, "a", "big".to_owned(), big, big, 1);
    first.seq = big;
    merge(&target, &[first.clone()]);
    let stored = changes(&target, 0).remove(0);
    assert_eq!(
        (stored.col_version, stored.db_version, stored.seq),
        (big, big, big)
    );
    exec(&target, "UPDATE t SET a = 'bigger'");
    assert_eq!(
        one::<i64>(
            &target,
            "SELECT col_version FROM crsql_changes WHERE cid = 'a'"
        ),
        big + 1
    );
    assert_eq!(one::<i64>(&target, "SELECT crsql_db_version()"), big + 1);
    merge(
        &target,
        &[change(2, "-1", Value::Null, big + 1, 1, big + 1)],
    );
    exec(&target, "DELETE FROM t WHERE k = 2");
    assert_eq!(
        one::<i64>(&target, "SELECT max(cl) FROM crsql_changes"),
        big + 2
    );
    check_partial(&target, &["t"]);
    let before = changes(&target, 0);
    for poison in [(1 << 53) + 1, i64::MAX - 1, i64::MAX, -1, i64::MIN] {
        for refused in [
            change(3, "a", 1, 1, poison, 1),
            change(3, "a", 1, poison, 1, 1),
            change(3, "-1", Value::Null, poison, 1, poison),
        ] {
            try_merge(&target, std::slice::from_ref(&refused)).expect_err(&format!("{refused:?}"));
        }
        let mut refused = change(3, "a", 1, 1, 1, 1);
        refused.seq = poison;
        try_merge(&target, std::slice::from_ref(&refused)).expect_err(&format!("{refused:?}"));
    }
    assert_eq!(changes(&target, 0), before);
    exec(&target, "INSERT INTO t VALUES (4, 4, 4)");
    assert!(
        one::<i64>(&target, "SELECT max(db_version) FROM crsql_changes") > big,
        "still ascending"
    );
}

#[test]
fn complaint_10_a_version_near_the_end_does_not_use_up_those_of_others() {
    // Accepted, but beyond 2^52 it no longer moves the clock of the receiver.
    let target = replica();
    exec(&target, "INSERT INTO t VALUES (1, 0, 0)");
    merge(&target, &[change(2, "a", 1, 1, 1 << 53, 1)]);
    assert_eq!(one::<i64>(&target, "SELECT crsql_db_version()"), 2);
    merge(&target, &[change(3, "a", 1, 1, 1 << 52, 1)]);
    assert_eq!(one::<i64>(&target, "SELECT crsql_db_version()"), 1 << 52);
    exec(
        &target,
        "INSERT INTO t VALUES (4, 0, 0); UPDATE t SET a = 5 WHERE k = 2",
    );
    assert_eq!(
        one::<i64>(&target, "SELECT crsql_db_version()"),
        (1 << 52) + 2
    );
    let next = replica();
    merge(&next, &changes(&target, 0));
    assert_same(&target, &next, &["t"], "sent on");
    exec(&next, "INSERT INTO t VALUES (5, 0, 0)");
    merge(&target, &changes(&next, 0));
    assert_same(&target, &next, &["t"], "sent back");
    check_partial(&target, &["t"]);
}

#[test]
fn complaint_11_a_row_deleted_here_and_updated_there_does_not_come_back_by_halves() {
    let [left, right, third, fourth] = [replica(), replica(), replica(), replica()];
    exec(&left, "INSERT INTO t VALUES (1, 'a', 'b')");
    exchange(&[&left, &right, &third, &fourth]);
    exec(&left, "DELETE FROM t");
    for step in 0..30 {
        exec(&right, &format!("UPDATE t SET a = {step}"));
    }
    merge(&third, &changes(&left, 0));
    merge(&third, &changes(&right, 0));
    merge(&fourth, &changes(&right, 0));
    merge(&fourth, &changes(&left, 0));
    assert_equal(&[&left, &third, &fourth], "deleted here, updated there");
    assert!(content(&fourth, "t").is_empty());
    exec(&left, "INSERT INTO t VALUES (1, 'new', 'life')");
    exchange(&[&right, &left, &third, &fourth]);
    assert_equal(&[&left, &right, &third, &fourth], "created again");
    assert_eq!(
        content(&right, "t"),
        ["Integer(1)|Text(\"new\")|Text(\"life\")|"]
    );
}

#[test]
fn complaint_12_marking_the_living_as_living_deletes_nothing() {
    let target = replica();
    exec(
        &target,
        "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd'); DELETE FROM t WHERE k = 2; INSERT INTO t VALUES (2, 'c', 'd')",
    );
    let rows_before = content(&target, "t");
    for again in [
        change(1, "-1", Value::Null, 1, 9, 1),
        change(2, "-1", Value::Null, 3, 9, 3),
        change(2, "-1", Value::Null, 1, 9, 1),
    ] {
        merge(&target, &[again.clone(), again]);
        assert_eq!(content(&target, "t"), rows_before);
    }
    exec(
        &target,
        "REPLACE INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd'); INSERT OR IGNORE INTO t VALUES (1, 0, 0)",
    );
    assert_eq!(content(&target, "t"), rows_before);
    assert!(changes(&target, 0).iter().all(|change| change.cl % 2 == 1));
    merge(&target, &[change(1, "-1", Value::Null, 3, 9, 3)]);
    assert_eq!(
        content(&target, "t"),
        rows_before,
        "a newer life keeps what is there"
    );
    check(&target, &["t"]);
}

#[test]
fn complaint_12_deleting_the_deleted_again_stays_deleted() {
    let target = replica();
    exec(&target, "INSERT INTO t VALUES (1, 'a', 'b'); DELETE FROM t");
    merge(
        &target,
        &[
            change(1, "-1", Value::Null, 2, 9, 2),
            change(1, "-1", Value::Null, 4, 9, 4),
        ],
    );
    // A row written past capture, then deleted with capture: still the next even number.
    exec(
        &target,
        "SELECT crsql_internal_sync_bit(1); INSERT INTO t VALUES (1, 'x', 'y'); SELECT crsql_internal_sync_bit(0)",
    );
    exec(&target, "DELETE FROM t");
    let sentinels = rows(&target, "SELECT cid, cl FROM crsql_changes");
    assert_eq!(sentinels.len(), 1);
    let Value::Integer(cl) = sentinels[0][1] else {
        panic!("{sentinels:?}")
    };
    assert!(cl % 2 == 0 && cl >= 4, "{cl}");
    check(&target, &["t"]);
}

#[test]
fn complaint_13_a_restored_backup_gets_its_own_later_writes_back() {
    let directory = scratch_dir();
    let [path, backup] = ["db", "backup"].map(|name| directory.join(name));
    let origin = open(&path);
    create_crr(&origin, "t", TABLE);
    exec(&origin, "INSERT INTO t VALUES (1, 'before', 'the backup')");
    origin.close().map_err(|(_, error)| error).expect("close");
    std::fs::copy(&path, &backup).expect("back up");
    let origin = open(&path);
    exec(
        &origin,
        "INSERT INTO t VALUES (2, 'after', 'the backup'); UPDATE t SET a = 'changed' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES (3, 'last', 0)",
    );
    let mut client = Follower::new(&origin, &["t"]);
    client.pull(&origin, "everything");
    let cursor: i64 = one(&origin, "SELECT crsql_db_version()");
    drop(origin);
    let restored = open(&backup);
    exec(
        &restored,
        "INSERT INTO t VALUES (9, 'after', 'the restore')",
    );
    merge(&restored, &changes(&client.replica, 0));
    assert!(one::<i64>(&restored, "SELECT crsql_db_version()") >= cursor);
    exec(&restored, "UPDATE t SET b = 'seen by clients' WHERE k = 3");
    assert!(
        one::<i64>(&restored, "SELECT crsql_db_version()") > cursor,
        "a cursor of before the restore would skip it"
    );
    merge(&client.replica, &changes(&restored, 0));
    assert_same(&restored, &client.replica, &["t"], "after the restore");
    assert_eq!(one::<i64>(&restored, "SELECT count(*) FROM t"), 3);
    check(&restored, &["t"]);
}

#[test]
fn complaint_14_two_copies_of_one_file_converge() {
    let directory = scratch_dir();
    let [path, copy] = ["db", "copy"].map(|name| directory.join(name));
    let first = open(&path);
    create_crr(&first, "t", TABLE);
    exec(
        &first,
        "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd'), (3, 'e', 'f')",
    );
    first.close().map_err(|(_, error)| error).expect("close");
    std::fs::copy(&path, &copy).expect("copy");
    let (first, second) = (open(&path), open(&copy));
    exec(
        &first,
        "UPDATE t SET a = 'first' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES (4, 4, 4); UPDATE t SET k = 5 WHERE k = 3",
    );
    exec(
        &second,
        "UPDATE t SET a = 'second' WHERE k = 1; UPDATE t SET a = 'kept?' WHERE k = 2; INSERT INTO t VALUES (4, 'four', 0), (6, 6, 6)",
    );
    exchange(&[&first, &second]);
    exchange(&[&first, &second]);
    assert_same(&first, &second, &["t"], "two copies with one identity");
    assert_eq!(
        one::<String>(&first, "SELECT a FROM t WHERE k = 1"),
        "second",
        "the larger value"
    );
    let third = replica();
    exchange(&[&first, &third, &second]);
    assert_same(&first, &third, &["t"], "and a third");
    let all = [&first, &second].map(|side| identities(side, &["t"], &changes(side, 0)));
    assert_eq!(all[0], all[1]);
    check(&first, &["t"]);
}
