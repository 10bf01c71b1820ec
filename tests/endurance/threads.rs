//! Threads with a connection each, on one file and on several: they write, read, merge and apply at the same time, and what
//! they wrote is everywhere in the end.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::checks::{exec, one, rows};
use crate::number_from;
use crate::support::{changes, open, scratch_dir, try_merge};

const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b);
CREATE TABLE w(k TEXT NOT NULL, n INTEGER NOT NULL, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
SELECT crsql_as_crr('t'), crsql_as_crr('w');";

/// How many threads work on each file.
const THREADS: [(&str, usize); 3] = [("shared.db", 3), ("one.db", 1), ("two.db", 1)];

fn opened(path: &Path) -> Connection {
    let connection = open(path);
    connection
        .busy_timeout(Duration::from_secs(60))
        .expect("wait for locks");
    connection
}

/// Changesets that threads send each other, with the number of the sender.
type Letters = Mutex<Vec<(usize, Vec<u8>)>>;

fn apply(connection: &Connection, letter: &[u8]) {
    connection
        .query_row("SELECT crsql_apply(?1)", [letter], |row| {
            row.get::<_, i64>(0)
        })
        .expect("apply");
}

fn write(connection: &Connection, thread: usize, round: usize) {
    let row = (thread * 31 + round * 7) % 40;
    exec(connection, "BEGIN IMMEDIATE");
    connection
        .execute(
            "INSERT INTO t VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET a = excluded.a",
            params![row as i64, format!("thread {thread}"), round as i64],
        )
        .expect("insert");
    connection
        .execute(
            "INSERT OR REPLACE INTO w VALUES (?1, ?2, ?3)",
            params![format!("k{}", row % 5), (row % 3) as i64, round as i64],
        )
        .expect("replace");
    if round % 5 == thread % 5 {
        connection
            .execute("DELETE FROM t WHERE id = ?1", [((row + 1) % 40) as i64])
            .expect("delete");
    }
    // What only this thread writes is never overwritten.
    connection
        .execute(
            "INSERT INTO t VALUES (?1, 'own', ?2)",
            params![(1_000 * (thread + 1) + round) as i64, round as i64],
        )
        .expect("insert");
    exec(
        connection,
        if round % 11 == 10 {
            "ROLLBACK"
        } else {
            "COMMIT"
        },
    );
}

fn work(path: &Path, thread: usize, rounds: usize, letters: &Letters) {
    let mut connection = opened(path);
    let mut sent = 0_i64;
    for round in 0..rounds {
        write(&connection, thread, round);
        if round % 3 == 0 {
            let version: i64 = one(&connection, "SELECT crsql_db_version()");
            let letter = connection
                .query_row("SELECT crsql_changeset(?1)", [sent], |row| row.get(0))
                .expect("a changeset");
            sent = version;
            letters
                .lock()
                .expect("no thread panics")
                .push((thread, letter));
        }
        let letter = {
            let letters = letters.lock().expect("no thread panics");
            let others = letters.iter().rev().filter(|(from, _)| *from != thread);
            others.take(4).nth(round % 4).cloned()
        };
        if let Some((_, letter)) = letter {
            apply(&connection, &letter);
        }
        if round % 7 == 6 {
            let all = changes(&connection, 0);
            exec(&connection, "BEGIN IMMEDIATE");
            try_merge(&connection, &all).expect("merging what is here");
            exec(&connection, "COMMIT");
        }
        if round % 20 == 19 {
            connection.close().expect("close");
            connection = opened(path);
        }
    }
}

#[test]
fn threads_with_a_connection_each_lose_nothing() {
    let directory = scratch_dir();
    let rounds = number_from("CRSQL_ROUNDS", 60);
    let letters = Letters::default();
    let paths = THREADS.map(|(name, _)| directory.join(name));
    for path in &paths {
        exec(&opened(path), SCHEMA);
    }
    thread::scope(|scope| {
        let mut number = 0;
        for (path, (_, count)) in paths.iter().zip(THREADS) {
            for _ in 0..count {
                let (letters, thread) = (&letters, number);
                scope.spawn(move || work(path, thread, rounds, letters));
                number += 1;
            }
        }
    });
    let connections: Vec<Connection> = paths.iter().map(|path| opened(path)).collect();
    for _ in 0..2 {
        for from in &connections {
            let all: Vec<u8> = one(from, "SELECT crsql_changeset(0)");
            connections.iter().for_each(|to| apply(to, &all));
        }
    }
    let threads: usize = THREADS.iter().map(|(_, count)| count).sum();
    let committed = (0..rounds).filter(|round| round % 11 != 10).count();
    for connection in &connections {
        let own: i64 = one(connection, "SELECT count(*) FROM t WHERE a = 'own'");
        assert_eq!(own as usize, threads * committed);
        assert_eq!(one::<String>(connection, "PRAGMA integrity_check"), "ok");
        let problems = rows(connection, "SELECT * FROM crsql_check");
        assert!(problems.is_empty(), "{problems:?}");
        let digest = |connection| one::<Vec<u8>>(connection, "SELECT crsql_digest()");
        assert_eq!(digest(connection), digest(&connections[0]));
    }
}
