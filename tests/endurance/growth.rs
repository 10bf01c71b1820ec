//! Connections that are opened and closed: memory, file descriptors and mappings stay what they were.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, ffi};

use crate::checks::{exec, one};
use crate::number_from;
use crate::support::{load, open, scratch_dir};

/// So many rounds until SQLite has what it keeps.
const WARM_UP: usize = 50;

/// What other parts of the process (the test harness) may take meanwhile. One block that is lost in each round would be more.
const TOLERANCE_BYTES: i64 = 4_096;

#[repr(C)]
#[derive(Default)]
struct Mallinfo2 {
    fields: [usize; 10],
}

unsafe extern "C" {
    fn mallinfo2() -> Mallinfo2;
}

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    /// Bytes that SQLite took and did not give back
    sqlite_bytes: i64,
    /// Bytes that anyone took from malloc, the extension too
    heap_bytes: i64,
    descriptors: usize,
    mappings: usize,
}

fn figures() -> Figures {
    // SAFETY: both functions take no arguments and only count.
    let (sqlite_bytes, heap) = unsafe { (ffi::sqlite3_memory_used(), mallinfo2()) };
    // Blocks of the heap in use (uordblks), and blocks that are mappings of their own (hblkhd).
    let heap_bytes = (heap.fields[7] + heap.fields[4]) as i64;
    let entries = fs::read_dir("/proc/self/fd").expect("the descriptors of this process");
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings of this process");
    let is_ours = |line: &&str| line.ends_with(".so") || line.contains(".db");
    Figures {
        sqlite_bytes,
        heap_bytes,
        descriptors: entries.count(),
        mappings: maps.lines().filter(is_ours).count(),
    }
}

/// Opens a connection, does a little and closes it, without `crsql_finalize`.
fn round(directory: &Path, round: usize) {
    let path = directory.join(format!("{}.db", round % 3));
    match round % 6 {
        0 => {
            // The library is refused: a file of a newer release.
            let connection = Connection::open(directory.join("newer.db")).expect("open");
            load(&connection).expect_err("a file of another format");
            connection.close().expect("close after a load that failed");
        }
        1 => {
            let connection = Connection::open_in_memory().expect("open");
            load(&connection).expect("load");
            load(&connection).expect("load again");
            exec(
                &connection,
                "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('t'); INSERT INTO t VALUES (1, 1)",
            );
            connection.close().expect("close");
        }
        2 => {
            let connection = open(&path);
            exec(&connection, "BEGIN; UPDATE t SET a = 'undone'");
            connection
                .execute_batch("INSERT INTO crsql_changes(cl) VALUES ('wrong')")
                .expect_err("no change");
            connection
                .close()
                .expect("close in the middle of a transaction");
        }
        _ => {
            let connection = open(&path);
            exec(
                &connection,
                "INSERT OR REPLACE INTO t VALUES (1, random()); DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 2);
                 SAVEPOINT s; UPDATE t SET a = 3; ROLLBACK TO s; RELEASE s",
            );
            let count: i64 = one(&connection, "SELECT count(*) FROM crsql_changes");
            assert!(count >= 2);
            let bytes: i64 = one(&connection, "SELECT length(crsql_changeset(0))");
            assert!(bytes > 17);
            one::<Vec<u8>>(&connection, "SELECT crsql_digest()");
            connection.close().expect("close");
        }
    }
}

/// Blocks that malloc keeps for the next one who asks count as used; so the process that is measured has it keep none.
const MALLOC: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");

const NAME: &str = "growth::connections_that_come_and_go_leave_nothing";

#[test]
fn connections_that_come_and_go_leave_nothing() {
    if std::env::var(MALLOC.0).as_deref() == Ok(MALLOC.1) {
        return measure();
    }
    let test = std::env::current_exe().expect("the path of this test");
    let output = Command::new(test)
        .args(["--exact", NAME, "--nocapture"])
        .env(MALLOC.0, MALLOC.1)
        .output()
        .expect("run this test alone");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        said.contains("1 passed"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn measure() {
    let directory = scratch_dir();
    for name in ["0.db", "1.db", "2.db", "newer.db"] {
        let connection = open(directory.join(name));
        exec(
            &connection,
            "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a); SELECT crsql_as_crr('t'); INSERT INTO t VALUES (1, 1), (2, 2)",
        );
        if name == "newer.db" {
            exec(
                &connection,
                "UPDATE crsql_master SET value = 99 WHERE key = 'crsql_format'",
            );
        }
    }
    (0..WARM_UP).for_each(|number| round(&directory, number));
    let before = figures();
    let rounds = number_from("CRSQL_CONNECTIONS", 1_000);
    (0..rounds).for_each(|number| round(&directory, number));
    let after = figures();
    println!("{rounds} connections: {before:?}, then {after:?}");
    let heap_bytes = after.heap_bytes - before.heap_bytes;
    assert!(heap_bytes < TOLERANCE_BYTES, "{before:?} {after:?}");
    let heap_bytes = before.heap_bytes;
    assert_eq!(
        Figures {
            heap_bytes,
            ..after
        },
        before
    );
}
