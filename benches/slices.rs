//! How long another process is kept from writing while a large changeset is applied, with limits and without.
//!
//! The other process is this program once more: it opens the same file with a busy timeout, writes a row every few
//! milliseconds, and notes how long each write took. Wall time, as waiting takes no other.
//!
//! ```text
//! cargo bench --bench slices      CRSQL_BENCH_ROWS rows, in transactions of 100
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, LoadExtensionGuard};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Limits in ms; 0 is none.
const LIMITS: [i64; 5] = [0, 200, 50, 20, 5];

const ROWS_DEFAULT: i64 = 200_000;

/// Rows of each transaction of the origin.
const ROWS: i64 = 100;

/// Between two writes of the other process.
const WRITES_EVERY: Duration = Duration::from_millis(3);

const BUSY_TIMEOUT: Duration = Duration::from_secs(600);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "writer") {
        let path = arguments.get(place + 1).ok_or("writer without a path")?;
        return write_until_told(Path::new(path));
    }
    let rows = match std::env::var("CRSQL_BENCH_ROWS") {
        Ok(text) => text.replace('_', "").parse()?,
        Err(_) => ROWS_DEFAULT,
    };
    let directory = std::env::temp_dir().join(format!("crsql-slices-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = run(&directory, rows);
    std::fs::remove_dir_all(&directory)?;
    outcome
}

fn run(directory: &Path, rows: i64) -> Outcome<()> {
    let origin = open(None)?;
    let (mut inserts, mut updates) = (0, 0);
    for from in (0..rows).step_by(ROWS as usize) {
        origin.execute(
            "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2)
             INSERT INTO t SELECT lower(hex(randomblob(16))), 'name of ' || i, i, i / 7.0, 'some note ' || i FROM n",
            (from, ROWS),
        )?;
        inserts += 1;
    }
    let new: Vec<u8> = origin.query_row("SELECT crsql_changeset(0)", [], |row| row.get(0))?;
    let version: i64 = origin.query_row("SELECT crsql_db_version()", [], |row| row.get(0))?;
    for from in (0..rows).step_by(ROWS as usize) {
        origin.execute(
            "UPDATE t SET quantity = -quantity, price = 1 WHERE rowid > ?1 AND rowid <= ?1 + ?2",
            (from, ROWS),
        )?;
        updates += 1;
    }
    let sql = "SELECT crsql_changeset(?1)";
    let changed: Vec<u8> = origin.query_row(sql, [version], |row| row.get(0))?;
    println!(
        "SQLite {}, WAL, synchronous=NORMAL, uuid keys, 5 columns; {rows} rows in {inserts} transactions, then \
         updated in {updates}\n",
        rusqlite::version()
    );
    println!("| rows | max_ms | slices | total | longest write beside it | 99 of 100 below |");
    println!("|---|---|---|---|---|---|");
    for limit in LIMITS {
        let path = directory.join(format!("{limit}.db"));
        let mut receiver = open(Some(&path))?;
        for (what, data) in [("new", &new), ("updated", &changed)] {
            measure(&mut receiver, &path, (what, data), limit)?;
        }
    }
    Ok(())
}

fn measure(
    receiver: &mut Connection,
    path: &Path,
    (what, data): (&str, &[u8]),
    limit: i64,
) -> Outcome<()> {
    let writer = start_writer(path)?;
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    receiver.commit_hook(Some(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    }))?;
    let start = Instant::now();
    let limit_given = (limit > 0).then_some(limit);
    receiver.query_row(
        "SELECT crsql_apply(?1, ?2)",
        (data, limit_given),
        |_| Ok(()),
    )?;
    let total = start.elapsed();
    receiver.commit_hook(None::<fn() -> bool>)?;
    let waits = stop_writer(writer, path)?;
    println!(
        "| {what} | {} | {} | {:.0} ms | {waits} |",
        limit_given.map_or("none".to_owned(), |limit| limit.to_string()),
        commits.load(Ordering::Relaxed),
        total.as_secs_f64() * 1e3,
    );
    Ok(())
}

/// A database with the table `t`; in memory without a path.
fn open(path: Option<&Path>) -> Outcome<Connection> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let extension = match std::env::var_os("CRSQL_EXTENSION") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/crsql.so"),
    };
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // SAFETY: the shared object is the one of this project, built for the SQLite interface that rusqlite offers.
    unsafe {
        let _guard = LoadExtensionGuard::new(&connection)?;
        connection.load_extension(extension, Some("sqlite3_crsql_init"))?;
    }
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; CREATE TABLE local(n);
         CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT);
         SELECT crsql_as_crr('t')",
    )?;
    Ok(connection)
}

fn stop_file(path: &Path) -> PathBuf {
    path.with_extension("stop")
}

fn start_writer(path: &Path) -> Outcome<Child> {
    let writer = Command::new(std::env::current_exe()?)
        .arg("writer")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()?;
    // It has begun once a row of its own is there.
    let watch = Connection::open(path)?;
    let count = || watch.query_row("SELECT count(*) FROM local", [], |row| row.get::<_, i64>(0));
    let before = count()?;
    while count()? == before {
        std::thread::sleep(WRITES_EVERY);
    }
    Ok(writer)
}

fn stop_writer(writer: Child, path: &Path) -> Outcome<String> {
    std::fs::write(stop_file(path), "")?;
    let output = writer.wait_with_output()?;
    std::fs::remove_file(stop_file(path))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What the other process does.
fn write_until_told(path: &Path) -> Outcome<()> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")?;
    let mut insert = connection.prepare("INSERT INTO local VALUES (1)")?;
    let mut waits = Vec::new();
    while !stop_file(path).exists() {
        let start = Instant::now();
        insert.execute([])?;
        waits.push(start.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(WRITES_EVERY);
    }
    waits.sort_by(f64::total_cmp);
    let last = waits.last().copied().unwrap_or_default();
    let most = waits.get(waits.len() * 99 / 100).copied().unwrap_or(last);
    println!("{last:.0} ms | {most:.0} ms");
    Ok(())
}
