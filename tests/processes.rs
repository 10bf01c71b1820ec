//! Several processes on one file, and processes that are killed at any moment.
//!
//! The children are this test binary again, told its role by an environment variable. Every child
//! counts its transactions in a plain table of the file, inside the transaction, so that the file
//! itself says which committed state it must equal; a reference database replays up to there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use checks::{assert_same, check, check_partial, create_crr, empty_replica, exec, one, rows};
use rusqlite::Connection;
use rusqlite::types::Value;
use support::{Change, changes, merge, open, open_memory, scratch_dir, try_merge};

const ROLE: &str = "CRSQL_TEST_ROLE";
const DIRECTORY: &str = "CRSQL_TEST_DIRECTORY";

const TABLES: [&str; 3] = ["t", "u", "j"];

fn create_tables(connection: &Connection) {
    exec(
        connection,
        "BEGIN; CREATE TABLE progress(who TEXT PRIMARY KEY, done INT); INSERT INTO progress VALUES ('writer', 0), ('merger', 0)",
    );
    create_crr(
        connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    create_crr(
        connection,
        "u",
        "CREATE TABLE u(k TEXT PRIMARY KEY NOT NULL, n DEFAULT 0, m)",
    );
    create_crr(
        connection,
        "j",
        "CREATE TABLE j(x, y, PRIMARY KEY (x, y)) WITHOUT ROWID",
    );
    exec(connection, "COMMIT");
}

fn opened(path: &Path) -> Connection {
    let connection = open(path);
    connection
        .busy_timeout(Duration::from_secs(60))
        .expect("wait for locks");
    // Many commits: what survives a killed process does not hang on fsync.
    exec(&connection, "PRAGMA synchronous = OFF");
    connection
}

fn done(connection: &Connection, who: &str) -> i64 {
    one(
        connection,
        &format!("SELECT done FROM progress WHERE who = '{who}'"),
    )
}

fn count(connection: &Connection, who: &str, step: i64) {
    exec(
        connection,
        &format!("UPDATE progress SET done = {step} WHERE who = '{who}'"),
    );
}

/// A generator (xorshift) that gives the same numbers for the same step in every process.
struct Numbers(u64);

impl Numbers {
    fn of_step(step: i64) -> Self {
        Self((step as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Transaction number `step`: a few statements of every kind, the same wherever it runs.
fn write_step(connection: &Connection, step: i64) {
    let mut numbers = Numbers::of_step(step);
    exec(connection, "BEGIN IMMEDIATE");
    for _ in 0..1 + numbers.below(6) {
        let (key, other) = (numbers.below(40), numbers.below(40));
        exec(
            connection,
            &match numbers.below(12) {
                0 | 1 => format!("REPLACE INTO t VALUES ({key}, {step}, {other})"),
                2 => format!("UPDATE t SET a = {step} WHERE k % 5 = {}", key % 5),
                3 => format!("UPDATE OR REPLACE t SET k = {other} WHERE k = {key}"),
                4 => format!("DELETE FROM t WHERE k IN ({key}, {other})"),
                5 => format!(
                    "INSERT INTO u(k, m) VALUES ('key {key}', {step}) ON CONFLICT DO UPDATE SET n = n + 1"
                ),
                6 => format!("UPDATE OR IGNORE u SET k = 'key {other}' WHERE k = 'key {key}'"),
                7 => format!("DELETE FROM u WHERE k = 'key {key}'"),
                8 => format!("INSERT OR IGNORE INTO j VALUES ({key}, {other})"),
                9 => format!("DELETE FROM j WHERE x = {key}"),
                10 => format!(
                    "SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET b = {step} WHERE k < {key}; RELEASE s"
                ),
                _ => format!(
                    "INSERT OR IGNORE INTO t SELECT value + 100, {step}, {key} FROM json_each('[1,2,3,4,5,6,7,8,9]')"
                ),
            },
        );
    }
    count(connection, "writer", step);
    exec(connection, "COMMIT");
}

/// A process of this binary in another role, killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(role: &str, directory: &Path) -> Self {
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["child_process", "--exact", "--nocapture"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdout(Stdio::null())
            .spawn()
            .expect("start a process");
        Self(child)
    }

    fn finish(mut self) {
        let status = self.0.wait().expect("wait for the process");
        assert!(status.success(), "a child process failed: {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; one that has ended already is none the worse for it.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where a child process begins; an ordinary run of the tests has no role and ends at once.
#[test]
fn child_process() {
    let (Ok(role), Some(directory)) = (std::env::var(ROLE), std::env::var_os(DIRECTORY)) else {
        return;
    };
    let directory = Path::new(&directory);
    match role.as_str() {
        "write for ever" => write_for_ever(directory),
        "merge for ever" => merge_for_ever(directory),
        "write" => write_steps(directory),
        "merge" => merge_rounds(directory),
        other => panic!("no role {other}"),
    }
}

/// Appends to the journal after the commit, so that the journal is never ahead of the file.
fn journal(directory: &Path, step: i64) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("journal"))
        .expect("journal");
    // One call: a kill leaves a whole line or none.
    file.write_all(format!("{step}\n").as_bytes())
        .expect("journal");
}

/// The last line of the journal.
fn journalled(directory: &Path) -> i64 {
    let text = std::fs::read_to_string(directory.join("journal")).unwrap_or_default();
    text.lines()
        .last()
        .map_or(0, |line| line.parse().expect("a number in the journal"))
}

fn write_for_ever(directory: &Path) {
    let connection = opened(&directory.join("db"));
    for step in done(&connection, "writer") + 1.. {
        write_step(&connection, step);
        journal(directory, step);
    }
}

/// Waits until the child has got past its start, then a little more, then kills it.
fn kill_while_working(process: Process, directory: &Path, before: i64, pause: Duration) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    while journalled(directory) <= before {
        assert!(Instant::now() < deadline, "the child does not get to work");
        std::thread::sleep(Duration::from_micros(200));
    }
    std::thread::sleep(pause);
    drop(process);
    journalled(directory)
}

/// Everything that the two databases have recorded, but for the name of the local site.
fn recorded(connection: &Connection) -> Vec<Change> {
    let own: Vec<u8> = one(connection, "SELECT crsql_site_id()");
    let mut all = changes(connection, 0);
    all.iter_mut()
        .filter(|change| change.site_id == own)
        .for_each(|change| change.site_id = vec![0]);
    all
}

fn killed_writers(mode: &str, rounds: u64) {
    let directory = scratch_dir();
    let path = directory.join("db");
    {
        let connection = opened(&path);
        exec(&connection, &format!("PRAGMA journal_mode = {mode}"));
        create_tables(&connection);
    }
    let reference = open_memory();
    create_tables(&reference);
    let mut replayed = 0;
    let mut random = Numbers::of_step(rounds as i64);
    for round in 0..rounds {
        let pause = Duration::from_micros(random.below(8_000));
        let process = Process::start("write for ever", &directory);
        let journalled = kill_while_working(process, &directory, replayed, pause);
        let connection = opened(&path);
        let committed = done(&connection, "writer");
        assert!(
            committed >= journalled && committed <= journalled + 1,
            "{committed} committed, {journalled} journalled"
        );
        for step in replayed + 1..=committed {
            write_step(&reference, step);
        }
        replayed = committed;
        let context = format!("round {round}, killed after transaction {committed}");
        assert_same(&connection, &reference, &TABLES, &context);
        assert_eq!(recorded(&connection), recorded(&reference), "{context}");
        check(&connection, &TABLES);
    }
    assert!(
        replayed > rounds as i64,
        "only {replayed} transactions in {rounds} rounds"
    );
}

#[test]
fn killed_in_the_middle_of_capture_with_a_rollback_journal() {
    killed_writers("DELETE", 25);
}

#[test]
fn killed_in_the_middle_of_capture_with_a_wal() {
    killed_writers("WAL", 25);
}

/// The changes that the merger merges: those of a source file, in batches by version.
fn batches(source: &Connection) -> Vec<Vec<Change>> {
    let mut batches: Vec<Vec<Change>> = Vec::new();
    for change in changes(source, 0) {
        match batches.last_mut() {
            Some(batch) if batch.len() < 40 || batch[0].db_version == change.db_version => {
                batch.push(change)
            }
            _ => batches.push(vec![change]),
        }
    }
    batches
}

fn merge_step(connection: &Connection, batches: &[Vec<Change>], step: i64) {
    exec(connection, "BEGIN IMMEDIATE");
    // After all batches were merged once they come again, as duplicates.
    let batch = &batches[(step - 1) as usize % batches.len()];
    try_merge(connection, batch).expect("merge");
    if step % 3 == 0 {
        exec(
            connection,
            &format!(
                "REPLACE INTO u(k, m) VALUES ('own', {step}); UPDATE t SET b = {step} WHERE k = {}",
                step % 40
            ),
        );
    }
    count(connection, "merger", step);
    exec(connection, "COMMIT");
}

fn merge_for_ever(directory: &Path) {
    let source = opened(&directory.join("source"));
    let connection = opened(&directory.join("db"));
    let batches = batches(&source);
    for step in done(&connection, "merger") + 1.. {
        merge_step(&connection, &batches, step);
        journal(directory, step);
    }
}

#[test]
fn killed_in_the_middle_of_a_merge() {
    let directory = scratch_dir();
    let source = opened(&directory.join("source"));
    create_tables(&source);
    (1..=400).for_each(|step| write_step(&source, step));
    exec(
        &source,
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, i, i FROM n",
    );
    let path = directory.join("db");
    create_tables(&opened(&path));
    let reference = open_memory();
    create_tables(&reference);
    let batches = batches(&source);
    let (mut replayed, mut random) = (0, Numbers::of_step(7));
    for round in 0..30 {
        let pause = Duration::from_micros(random.below(8_000));
        let process = Process::start("merge for ever", &directory);
        let journalled = kill_while_working(process, &directory, replayed, pause);
        let connection = opened(&path);
        let committed = done(&connection, "merger");
        assert!(
            committed >= journalled && committed <= journalled + 1,
            "{committed} committed, {journalled} journalled"
        );
        for step in replayed + 1..=committed {
            merge_step(&reference, &batches, step);
        }
        replayed = committed;
        let context = format!("round {round}, killed after transaction {committed}");
        assert_same(&connection, &reference, &TABLES, &context);
        assert_eq!(recorded(&connection), recorded(&reference), "{context}");
        check_partial(&connection, &TABLES);
    }
}

const WRITES: i64 = 300;
const MERGES: i64 = 60;

fn write_steps(directory: &Path) {
    let connection = opened(&directory.join("db"));
    (1..=WRITES).for_each(|step| write_step(&connection, step));
}

/// Pulls what is new at the peer and merges it, while the peer goes on writing by itself.
fn merge_rounds(directory: &Path) {
    let peer = opened(&directory.join("peer"));
    let connection = opened(&directory.join("db"));
    let mut seen = 0;
    for round in 1..=MERGES {
        for step in 0..4 {
            write_step(&peer, 10_000 + 4 * round + step);
        }
        let news = changes(&peer, seen);
        seen = news.last().map_or(seen, |change| change.db_version);
        exec(&connection, "BEGIN IMMEDIATE");
        try_merge(&connection, &news).expect("merge");
        count(&connection, "merger", round);
        exec(&connection, "COMMIT");
    }
}

/// Reads as a client does, from snapshot to snapshot, and finds each of them consistent.
struct Reader {
    connection: Connection,
    replica: Connection,
    seen: i64,
    version: i64,
}

impl Reader {
    fn new(path: &Path) -> Self {
        let connection = opened(path);
        let replica = empty_replica(&connection, &TABLES);
        Self {
            connection,
            replica,
            seen: 0,
            version: 0,
        }
    }

    /// One snapshot; answers what the others have done in it.
    fn read(&mut self) -> (i64, i64) {
        exec(&self.connection, "BEGIN");
        let progress = (
            done(&self.connection, "writer"),
            done(&self.connection, "merger"),
        );
        let version: i64 = one(&self.connection, "SELECT crsql_db_version()");
        assert!(version >= self.version, "{version} after {}", self.version);
        let news = changes(&self.connection, self.seen);
        for pair in news.windows(2) {
            assert!(
                (pair[0].db_version, pair[0].seq) < (pair[1].db_version, pair[1].seq),
                "{pair:?}"
            );
        }
        let newest = news.last().map_or(self.seen, |change| change.db_version);
        assert!(
            newest <= version,
            "a change of {newest} at version {version}"
        );
        merge(&self.replica, &news);
        assert_same(
            &self.connection,
            &self.replica,
            &TABLES,
            &format!("snapshot at version {version}"),
        );
        exec(&self.connection, "COMMIT");
        (self.seen, self.version) = (newest, version);
        progress
    }
}

fn two_write_while_one_reads(mode: &str) {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = opened(&path);
    assert_eq!(
        one::<String>(&connection, &format!("PRAGMA journal_mode = {mode}")),
        mode
    );
    create_tables(&connection);
    create_tables(&opened(&directory.join("peer")));
    let mut reader = Reader::new(&path);
    let [writer, merger] = ["write", "merge"].map(|role| Process::start(role, &directory));
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut snapshots = 0;
    while reader.read() != (WRITES, MERGES) {
        snapshots += 1;
        assert!(Instant::now() < deadline, "the others do not finish");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(
        snapshots > 3,
        "only {snapshots} snapshots between the writes"
    );
    writer.finish();
    merger.finish();
    check_partial(&connection, &TABLES);
    let peer = opened(&directory.join("peer"));
    merge(&peer, &changes(&connection, 0));
    merge(&connection, &changes(&peer, 0));
    assert_same(
        &connection,
        &peer,
        &TABLES,
        "the file and the peer after a last exchange",
    );
    let authors = rows(
        &connection,
        "SELECT count(DISTINCT site_id) FROM crsql_changes",
    );
    assert_eq!(authors, [[Value::Integer(2)]]);
}

#[test]
fn two_processes_write_and_merge_while_a_third_reads_with_a_wal() {
    two_write_while_one_reads("wal");
}

#[test]
fn two_processes_write_and_merge_while_a_third_reads_with_a_rollback_journal() {
    two_write_while_one_reads("delete");
}
