//! How far a peer can push the counters: to 2^53, and what is left then to those who write here.
//!
//! What a replica reports must be accepted by every other. So a local write that would go beyond is refused,
//! with a way out, and what a peer can push in one database never takes the room of another's writes.

use crate::checks::{assert_same, check_partial, create_crr, exec, one, refusal, text_of};
use crate::support::{Change, changes, merge, open_memory, try_merge};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The greatest counter that is accepted.
const LAST: i64 = 1 << 53;
/// The greatest version and seq that are taken over.
const FOLLOWED: i64 = 1 << 52;

fn replica() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    connection
}

fn change(key: u8, cid: &str, col_version: i64, cl: i64) -> Change {
    Change {
        table: "t".to_owned(),
        pk: vec![1, 9, key],
        cid: cid.to_owned(),
        val: match cid {
            "-1" => Value::Null,
            _ => Value::Text("hostile".to_owned()),
        },
        col_version,
        db_version: 1,
        site_id: vec![0xee; 16],
        cl,
        seq: 0,
    }
}

/// Whoever gets everything that this database reports takes it, in each form, and then holds the same.
fn assert_accepted(connection: &Connection, context: &str) {
    let all = changes(connection, 0);
    for c in &all {
        let most = [c.col_version, c.db_version, c.cl, c.seq].into_iter().max();
        assert!(most <= Some(LAST), "{context}: {c:?}");
    }
    let [by_rows, by_changeset, by_message] = [replica(), replica(), replica()];
    merge(&by_rows, &all);
    let data: Vec<u8> = one(connection, "SELECT crsql_changeset(0)");
    by_changeset
        .query_row("SELECT crsql_apply(?1)", [data], |_| Ok(()))
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut message: Option<Vec<u8>> = Some(one(connection, "SELECT crsql_reconcile()"));
    let mut listeners = [&by_message, connection].into_iter().cycle();
    while let Some(said) = message {
        let listener = listeners.next().expect("a listener");
        message = listener
            .query_row("SELECT crsql_reconcile(?1)", [said], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    let digest = |c: &Connection| one::<Vec<u8>>(c, "SELECT crsql_digest()");
    for other in [&by_rows, &by_changeset, &by_message] {
        assert_same(connection, other, &["t"], context);
        assert_eq!(digest(connection), digest(other), "{context}");
    }
    drop(check_partial(connection, &["t"]));
}

const OF_CELL: &str = "crsql: column \"a\" of the row of table \"t\" with the key 1 can't be written again: a peer took \
                       its version to 2^53, the most that can be sent; DELETE the row, then INSERT it anew";

#[test]
fn a_cell_at_its_last_version_can_be_begun_anew() {
    let here = replica();
    exec(&here, "INSERT INTO t VALUES (2, 'two', 2)");
    merge(&here, &[change(1, "a", LAST - 1, 1)]);
    exec(&here, "UPDATE t SET a = 'the last'");
    assert_accepted(&here, "at the last version");
    let before = changes(&here, 0);
    for write in [
        "UPDATE t SET a = 'one more'",
        "UPDATE t SET b = 5, a = 'one more' WHERE k = 1",
        "INSERT OR REPLACE INTO t VALUES (1, 'one more', 1)",
        "INSERT INTO t VALUES (1, 1, 1) ON CONFLICT (k) DO UPDATE SET a = 'one more'",
        "SELECT crsql_begin_alter('t'); UPDATE t SET a = 'one more' WHERE k = 1",
    ] {
        let error = here.execute_batch(write).expect_err(write);
        assert_eq!(text_of(&error), OF_CELL, "{write}");
        if !here.is_autocommit() {
            exec(&here, "ROLLBACK");
        }
        assert_eq!(changes(&here, 0), before, "{write}");
    }
    let moved = refusal(&here, "UPDATE t SET k = 3 WHERE k = 1");
    assert_eq!(moved, OF_CELL.replace("key 1", "key 3"));
    // The moved row would have to beat the one that it replaces.
    let replacing = refusal(&here, "UPDATE OR REPLACE t SET k = 1 WHERE k = 2");
    assert_eq!(replacing, OF_CELL);
    assert_eq!(changes(&here, 0), before);
    // Other cells and rows are written as always, and the row itself can begin anew.
    exec(
        &here,
        "UPDATE t SET b = 'free' WHERE k = 1; UPDATE t SET a = 'free' WHERE k = 2",
    );
    assert_accepted(&here, "beside the last version");
    exec(
        &here,
        "DELETE FROM t WHERE k = 1; INSERT INTO t VALUES (1, 'anew', 1); UPDATE t SET a = 'and on'",
    );
    assert_accepted(&here, "begun anew");
    let version = "SELECT col_version FROM crsql_changes WHERE cid = 'a' AND pk = x'010901'";
    assert_eq!(one::<i64>(&here, version), 2);
    // The hostile change comes again, and loses.
    merge(&here, &[change(1, "a", LAST, 1)]);
    assert_eq!(
        one::<String>(&here, "SELECT a FROM t WHERE k = 1"),
        "and on"
    );
}

#[test]
fn a_merge_into_a_row_with_a_refused_write_does_not_hide_the_refusal() {
    let here = replica();
    merge(&here, &[change(1, "a", LAST, 1)]);
    let before = changes(&here, 0);
    exec(&here, "BEGIN; UPDATE t SET a = 'one more'");
    // The refusal may come with any of these statements, and the second time as the first.
    for version in [8, 9] {
        let _ = try_merge(&here, &[change(1, "b", version, 1)]);
    }
    assert_eq!(refusal(&here, "COMMIT"), OF_CELL);
    assert!(here.is_autocommit(), "nothing of the transaction is left");
    assert_eq!(changes(&here, 0), before);
    assert_accepted(&here, "after the refusal");
}

#[test]
fn a_row_at_its_last_causal_length_can_be_deleted() {
    let of_row = |key: i64| {
        format!(
            "crsql: the row of table \"t\" with the key {key} can't be made again: a peer took its causal length \
             to 2^53, the most that can be sent; use another key"
        )
    };
    let here = replica();
    exec(&here, "INSERT INTO t VALUES (5, 5, 5)");
    merge(
        &here,
        &[change(1, "a", 1, LAST - 1), change(2, "-1", LAST, LAST)],
    );
    exec(&here, "UPDATE t SET a = 'alive'");
    assert_eq!(
        refusal(&here, "UPDATE OR REPLACE t SET k = 1 WHERE k = 5"),
        of_row(1)
    );
    assert_accepted(&here, "the last life");
    exec(&here, "DELETE FROM t WHERE k = 1");
    assert_accepted(&here, "deleted for the last time");
    let before = changes(&here, 0);
    for (write, key) in [
        ("INSERT INTO t VALUES (1, 1, 1)", 1),
        ("INSERT OR REPLACE INTO t VALUES (8, 8, 8), (2, 2, 2)", 2),
        ("UPDATE t SET k = 2 WHERE k = 5", 2),
    ] {
        assert_eq!(refusal(&here, write), of_row(key), "{write}");
        assert_eq!(changes(&here, 0), before, "{write}");
    }
    // One life less leaves room for one more.
    merge(&here, &[change(3, "-1", LAST - 2, LAST - 2)]);
    exec(&here, "INSERT INTO t VALUES (3, 'again', 3)");
    assert_eq!(
        one::<i64>(
            &here,
            "SELECT max(cl) FROM crsql_changes WHERE pk = x'010903'"
        ),
        LAST - 1
    );
    exec(&here, "DELETE FROM t WHERE k = 3");
    assert_eq!(refusal(&here, "INSERT INTO t VALUES (3, 3, 3)"), of_row(3));
    assert_accepted(&here, "as many lives as there are");
}

/// In a transaction the refusal may come as late as COMMIT, which then undoes all of it: nothing is half done.
#[test]
fn a_transaction_that_writes_beyond_the_last_version_is_undone() {
    for write in [
        "UPDATE t SET a = 'one more' WHERE k = 1",
        "UPDATE t SET b = 1; UPDATE t SET a = a || 'one more'",
        "SAVEPOINT s; UPDATE t SET a = 'one more' WHERE k = 1; RELEASE s",
        "UPDATE t SET a = 'one more' WHERE k = 1; SELECT count(*) FROM crsql_changes",
    ] {
        let here = replica();
        exec(&here, "INSERT INTO t VALUES (2, 'two', 2)");
        merge(&here, &[change(1, "a", LAST, 1)]);
        let before = changes(&here, 0);
        let work = format!("BEGIN; INSERT INTO t VALUES (3, 3, 3); {write}; COMMIT");
        let error = here.execute_batch(&work).expect_err(write);
        assert_eq!(text_of(&error), OF_CELL, "{write}");
        if !here.is_autocommit() {
            exec(&here, "ROLLBACK");
        }
        assert_eq!(changes(&here, 0), before, "{write}");
        exec(&here, "UPDATE t SET b = 'free'");
        assert_accepted(&here, write);
    }
    // Undoing the write alone is enough.
    let here = replica();
    merge(&here, &[change(1, "a", LAST, 1)]);
    exec(
        &here,
        "BEGIN; INSERT INTO t VALUES (3, 3, 3); SAVEPOINT s; UPDATE t SET b = 2 WHERE k = 3",
    );
    drop(here.execute_batch("UPDATE t SET a = 'one more' WHERE k = 1"));
    exec(&here, "ROLLBACK TO s; RELEASE s; COMMIT");
    assert_eq!(
        one::<i64>(&here, "SELECT count(*) FROM t WHERE k = 3 AND b = 3"),
        1
    );
    assert_accepted(&here, "rolled back to the savepoint");
}

/// A row that came unrecorded under a key that is used up can't be recorded, and stays as it is.
#[test]
fn adopting_what_can_not_be_sent_is_refused() {
    let here = replica();
    merge(&here, &[change(2, "-1", LAST, LAST)]);
    exec(
        &here,
        "SELECT crsql_internal_sync_bit(1); INSERT INTO t VALUES (2, 2, 2); SELECT crsql_internal_sync_bit(0)",
    );
    let text = refusal(&here, "SELECT crsql_adopt('t')");
    assert!(text.contains("use another key"), "{text}");
    exec(
        &here,
        "SELECT crsql_internal_sync_bit(1); UPDATE t SET k = 3; SELECT crsql_internal_sync_bit(0)",
    );
    assert_eq!(one::<i64>(&here, "SELECT crsql_adopt('t')"), 1);
    assert_accepted(&here, "adopted under another key");
}

#[test]
fn seqs_behind_a_great_one_are_accepted() {
    for (given, kept) in [
        (LAST, false),
        (FOLLOWED + 1, false),
        (FOLLOWED, true),
        (FOLLOWED - 1, true),
    ] {
        for begin in ["", "BEGIN; INSERT INTO t VALUES (20, 20, 20)"] {
            let here = replica();
            exec(&here, begin);
            let mut hostile = change(1, "a", 1, 1);
            hostile.seq = given;
            merge(&here, &[hostile.clone(), change(2, "a", 1, 1)]);
            exec(
                &here,
                "INSERT INTO t VALUES (3, 3, 3), (4, 4, 4); UPDATE t SET a = 5; DELETE FROM t WHERE k = 3",
            );
            if !here.is_autocommit() {
                exec(&here, "COMMIT");
            }
            let great = changes(&here, 0)
                .iter()
                .any(|change| change.seq >= FOLLOWED - 1);
            let is_one_transaction = !begin.is_empty();
            // Autocommit: every cell of row 1 has been written anew since, in a transaction of its own.
            assert_eq!(great, kept && is_one_transaction, "{given} {begin}");
            assert_accepted(&here, &format!("seq {given} {begin}"));
        }
    }
}

#[test]
fn versions_are_followed_up_to_half_of_what_is_accepted() {
    for (given, reached) in [
        (FOLLOWED - 1, FOLLOWED - 1),
        (FOLLOWED, FOLLOWED),
        (FOLLOWED + 1, 2),
        (LAST, 2),
    ] {
        let here = replica();
        exec(&here, "INSERT INTO t VALUES (9, 9, 9)");
        let mut hostile = change(1, "a", 1, 1);
        hostile.db_version = given;
        merge(&here, std::slice::from_ref(&hostile));
        let version = || one::<i64>(&here, "SELECT crsql_db_version()");
        assert_eq!(version(), reached, "{given}");
        for _ in 0..20 {
            exec(&here, "UPDATE t SET b = coalesce(b, 0) + 1");
        }
        assert_eq!(version(), reached + 20);
        assert_accepted(&here, &format!("db_version {given}"));
    }
    let here = replica();
    assert_eq!(
        one::<i64>(&here, &format!("SELECT crsql_next_db_version({FOLLOWED})")),
        FOLLOWED
    );
    let text = refusal(
        &here,
        &format!("SELECT crsql_next_db_version({})", FOLLOWED + 1),
    );
    assert!(text.contains(&FOLLOWED.to_string()), "{text}");
}

/// A hostile peer pushes every counter as far as it goes. The others go on: whatever one of them writes, the
/// others take, and they end equal. Only what the documentation names is refused, and with its text.
#[test]
fn a_fleet_outlives_a_hostile_peer() {
    let [first, second, third] = [replica(), replica(), replica()];
    exec(
        &first,
        "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5), (6, 6, 6)",
    );
    for side in [&second, &third] {
        merge(side, &changes(&first, 0));
    }
    let mut attack = vec![
        change(1, "a", LAST, 1),
        change(2, "a", LAST, LAST - 1),
        change(3, "-1", LAST, LAST),
        change(4, "b", LAST - 3, 1),
        change(5, "-1", LAST - 4, LAST - 4),
    ];
    for (index, hostile) in attack.iter_mut().enumerate() {
        hostile.seq = [LAST, FOLLOWED, 0][index % 3];
        hostile.db_version = [FOLLOWED, LAST, FOLLOWED + 1][index % 3];
    }
    merge(&first, &attack);
    let fleet = [&first, &second, &third];
    let mut random = 12345_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) % limit
    };
    let mut refused = 0;
    for round in 0..60 {
        let side = fleet[below(3) as usize];
        for _ in 0..below(4) {
            let (key, other) = (below(7) + 1, below(7) + 1);
            let write = match below(6) {
                0 => format!("INSERT OR REPLACE INTO t VALUES ({key}, 'r{round}', {other})"),
                1 => format!("UPDATE t SET a = 'u{round}' WHERE k = {key}"),
                2 => format!("UPDATE t SET b = 'u{round}' WHERE k = {key}"),
                3 => format!("DELETE FROM t WHERE k = {key}"),
                4 => format!("UPDATE OR REPLACE t SET k = {key} WHERE k = {other}"),
                _ => format!("INSERT OR IGNORE INTO t VALUES ({key}, 'i{round}', {other})"),
            };
            if let Err(error) = side.execute_batch(&write) {
                let text = text_of(&error);
                assert!(text.contains("a peer took its"), "{write}: {text}");
                refused += 1;
            }
        }
        assert_accepted(side, &format!("round {round}"));
        let (from, to) = (fleet[below(3) as usize], fleet[below(3) as usize]);
        try_merge(to, &changes(from, 0)).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(refused > 5, "{refused} writes were refused");
    for _ in 0..2 {
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            merge(fleet[to], &changes(fleet[from], 0));
        }
    }
    assert_same(&first, &second, &["t"], "in the end");
    assert_same(&first, &third, &["t"], "in the end");
    for side in fleet {
        exec(side, "INSERT INTO t VALUES (NULL, 'new', 'rows')");
        assert!(one::<i64>(side, "SELECT crsql_db_version()") < FOLLOWED + 1000);
        assert_accepted(side, "in the end");
    }
}
