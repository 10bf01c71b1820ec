//! Large amounts: what is sent and merged at a time is bounded, and nothing begins at 0 again.

use rusqlite::Connection;

use crate::checks::{assert_same, create_crr, exec, one};
use crate::support::{open, open_memory, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

/// A changeset of a stream, and where it ends.
struct Piece {
    data: Vec<u8>,
    last: (i64, i64),
}

fn stream(connection: &Connection, since: (i64, Option<i64>), max_bytes: i64) -> Vec<Piece> {
    connection
        .prepare("SELECT data, last_version, last_seq FROM crsql_changesets(?1, NULL, ?2, ?3)")
        .and_then(|mut statement| {
            statement
                .query_map((since.0, max_bytes, since.1), |row| {
                    Ok(Piece {
                        data: row.get(0)?,
                        last: (row.get(1)?, row.get(2)?),
                    })
                })?
                .collect()
        })
        .expect("a stream")
}

fn apply(connection: &Connection, data: &[u8]) -> rusqlite::Result<i64> {
    connection.query_row("SELECT crsql_apply(?1)", [data], |row| row.get(0))
}

/// So many transactions of 100 rows each.
fn origin(transactions: i64) -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    for first in (0..transactions).map(|transaction| transaction * 100) {
        exec(
            &connection,
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {first} + 99)
                 INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n"
            ),
        );
    }
    connection
}

#[test]
fn complaint_24_many_changes_are_merged_without_shutting_out_other_writers() {
    let origin = origin(100);
    let directory = scratch_dir();
    let path = directory.join("db");
    let (merging, writing) = (open(&path), open(&path));
    create_crr(&merging, "t", TABLE);
    exec(&writing, "PRAGMA busy_timeout = 0; CREATE TABLE own(n)");
    let pieces = stream(&origin, (0, None), 20_000);
    assert!(pieces.len() > 10, "{} changesets", pieces.len());
    for piece in &pieces {
        let before: i64 = one(&merging, "SELECT count(*) FROM t");
        apply(&merging, &piece.data).expect("apply");
        // Each is a transaction of its own, between which others write, and nobody waits for long.
        let merged = one::<i64>(&merging, "SELECT count(*) FROM t") - before;
        assert!(merged <= 1000, "{merged} rows at a time");
        assert_eq!(merged % 100, 0, "transactions are whole");
        exec(&writing, "INSERT INTO own VALUES (1)");
    }
    assert_same(&origin, &merging, &["t"], "in pieces");
}

#[test]
fn complaint_25_a_first_sync_goes_on_where_the_connection_was_lost() {
    const MAX_BYTES: usize = 20_000;
    let origin = origin(20);
    // And one transaction that is larger than any changeset may be.
    exec(
        &origin,
        "WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)
         INSERT INTO t SELECT i, hex(randomblob(20)), i FROM n",
    );
    let whole: usize = stream(&origin, (0, None), MAX_BYTES as i64)
        .iter()
        .map(|piece| piece.data.len())
        .sum();
    let directory = scratch_dir();
    let path = directory.join("db");
    create_crr(&open(&path), "t", TABLE);
    let (mut cursor, mut received, mut connections) = ((0, None), 0, 0);
    loop {
        // After three changesets the connection is lost; the program starts anew.
        let replica = open(&path);
        let pieces = stream(&origin, cursor, MAX_BYTES as i64);
        let is_the_end = pieces.len() <= 3;
        for piece in pieces.iter().take(3) {
            assert!(piece.data.len() <= MAX_BYTES);
            received += piece.data.len();
            apply(&replica, &piece.data).expect("apply");
            cursor = (piece.last.0, Some(piece.last.1));
        }
        connections += 1;
        if is_the_end {
            break;
        }
    }
    assert!(connections > 3, "{connections} connections");
    assert!(
        received < whole + whole / 10,
        "{received} bytes instead of {whole}"
    );
    assert_same(&origin, &open(&path), &["t"], "after the last connection");
}

#[test]
fn complaint_26_equal_databases_find_out_by_one_small_message() {
    let (left, right) = (origin(50), open_memory());
    create_crr(&right, "t", TABLE);
    for piece in stream(&left, (0, None), 1 << 20) {
        apply(&right, &piece.data).expect("apply");
    }
    let first: Vec<u8> = one(&left, "SELECT crsql_reconcile()");
    assert!(first.len() < 100, "{} bytes", first.len());
    let answer: Option<Vec<u8>> = right
        .query_row("SELECT crsql_reconcile(?1)", [first], |row| row.get(0))
        .expect("an answer");
    assert_eq!(answer, None);
}

/// What one statement writes under the lock is bounded by the size of the changeset that it is given.
#[test]
fn complaint_27_merging_can_be_split_into_statements_of_any_size() {
    let origin = origin(40);
    let mut most = Vec::new();
    for max_bytes in [3_000, 10_000, 1 << 30] {
        let replica = open_memory();
        create_crr(&replica, "t", TABLE);
        let mut largest = 0;
        for piece in stream(&origin, (0, None), max_bytes) {
            let before: i64 = one(&replica, "SELECT total_changes()");
            apply(&replica, &piece.data).expect("apply");
            largest = largest.max(one::<i64>(&replica, "SELECT total_changes()") - before);
        }
        assert_same(&origin, &replica, &["t"], "split");
        most.push(largest);
    }
    assert!(
        most[0] <= 110 && most[1] <= 500 && most[2] >= 4000,
        "{most:?} rows a statement"
    );
}
