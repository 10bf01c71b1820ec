//! How long a large changeset that is applied keeps others from writing, with limits and without.
//!
//! ```text
//! cargo bench --bench slices            both tables, CRSQL_BENCH_ROWS rows
//! cargo bench --bench slices -- holds   for how long the lock of a writer is held at a time, seen by a watcher
//! cargo bench --bench slices -- waits   how long writes of another process take beside it
//! ```
//! The other process is this program once more. Wall time, as waiting takes no other.

mod watch;
mod workloads;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, LoadExtensionGuard};

use watch::{Hold, Watcher};
use workloads::{Changesets, Files, UUID_KEY, WORKLOADS, Workload};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Limits of the waits in ms; 0 is none.
const LIMITS: [i64; 5] = [0, 200, 50, 20, 5];

/// The limit of the holds in ms.
const LIMIT: i64 = 50;

const ROWS_DEFAULT: i64 = 200_000;

/// Between two writes of the other process.
const WRITES_EVERY: Duration = Duration::from_millis(3);

const BUSY_TIMEOUT: Duration = Duration::from_secs(600);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, [path])) if first == "writer" => return write_until_told(Path::new(path)),
        Some((first, rest)) if first == "watcher" => return watch::watch(rest),
        _ => {}
    }
    let rows = match std::env::var("CRSQL_BENCH_ROWS") {
        Ok(text) => text.replace('_', "").parse()?,
        Err(_) => ROWS_DEFAULT,
    };
    let parent = std::env::var_os("CRSQL_BENCH_DIRECTORY");
    let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("crsql-slices-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let is_asked = |table: &str| {
        let others = ["holds", "waits"].iter().filter(|other| **other != table);
        !others
            .into_iter()
            .any(|other| arguments.iter().any(|a| a == other))
    };
    println!(
        "SQLite {}, synchronous=NORMAL; {rows} rows",
        rusqlite::version()
    );
    let outcome = (|| {
        if is_asked("holds") {
            let names = arguments
                .iter()
                .filter(|a| !a.starts_with("--") && *a != "holds");
            holds(&directory, rows, &names.collect::<Vec<_>>())?;
        }
        if is_asked("waits") {
            waits(&directory, rows)?;
        }
        Ok(())
    })();
    std::fs::remove_dir_all(&directory)?;
    outcome
}

/// For how long the lock is held, in each workload; only those whose names contain one of these, if there are any.
fn holds(directory: &Path, rows: i64, names: &[&String]) -> Outcome<()> {
    println!(
        "\nHeld at a time, in ms, with max_ms = {LIMIT}; in brackets without waiting for a processor\n"
    );
    println!(
        "| workload | slices | longest | 99 of 100 below | median | total | without a limit |"
    );
    println!("|---|---|---|---|---|---|---|");
    for workload in WORKLOADS {
        if !names.is_empty() && !names.iter().any(|name| workload.name.contains(*name)) {
            continue;
        }
        let changesets = workload.changesets(rows)?;
        let (_, whole) = held(directory, &workload, &changesets, None)?;
        let (holds, total) = held(directory, &workload, &changesets, Some(LIMIT))?;
        let of = |share: f64| {
            let at = |time: fn(&Hold) -> f64| {
                let mut times: Vec<f64> = holds.iter().map(time).collect();
                times.sort_by(f64::total_cmp);
                let place = (times.len() as f64 * share) as usize;
                times
                    .get(place.min(times.len() - 1))
                    .copied()
                    .unwrap_or_default()
            };
            format!("{:.1} ({:.1})", at(|hold| hold.wall), at(|hold| hold.own))
        };
        println!(
            "| {} | {} | {} | {} | {} | {:.0} ms | {:.0} ms |",
            workload.name,
            holds.len(),
            of(1.0),
            of(0.99),
            of(0.5),
            total.as_secs_f64() * 1e3,
            whole.as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

/// Applies the changes of a workload to a receiver in a file; gives the times that the lock was held, and the total.
fn held(
    directory: &Path,
    workload: &Workload,
    changesets: &Changesets,
    limit: Option<i64>,
) -> Outcome<(Vec<Hold>, Duration)> {
    let path = directory.join("held.db");
    let is_wal = workload.files != Files::Rollback;
    let receiver = open(Some(&path), workload.schema)?;
    let apply = "SELECT crsql_apply(?1, ?2)";
    receiver.query_row(apply, (&changesets.before, None::<i64>), |_| Ok(()))?;
    receiver.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    if !is_wal {
        receiver.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    }
    drop(receiver);
    if workload.files == Files::WalCold {
        // Lets go of what the system's cache has of the file.
        let file = format!("of={}", path.display());
        let dd = [
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
            "status=none",
            "if=/dev/null",
        ];
        if !Command::new("dd").arg(file).args(dd).status()?.success() {
            return Err("dd could not drop the file from the cache".into());
        }
    }
    let receiver = open(Some(&path), &[])?;
    if !is_wal {
        receiver.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL")?;
    }
    // The file of the locks is there once somebody has read.
    receiver.query_row("SELECT crsql_db_version()", [], |_| Ok(()))?;
    let watcher = Watcher::start(&path, is_wal)?;
    let start = Instant::now();
    receiver.query_row(apply, (&changesets.changes, limit), |_| Ok(()))?;
    let total = start.elapsed();
    let holds = watcher.stop()?;
    drop(receiver);
    for name in ["held.db", "held.db-wal", "held.db-shm"] {
        let _ = std::fs::remove_file(directory.join(name));
    }
    Ok((holds, total))
}

/// How long another process waits for its writes.
fn waits(directory: &Path, rows: i64) -> Outcome<()> {
    let of = |name: &str| WORKLOADS.into_iter().find(|workload| workload.name == name);
    let updated = of("updated rows, uuid key")
        .ok_or("no such workload")?
        .changesets(rows)?;
    println!("\nOf another process, beside rows with uuid keys in transactions of 100\n");
    println!("| rows | max_ms | slices | total | longest write beside it | 99 of 100 below |");
    println!("|---|---|---|---|---|---|");
    for limit in LIMITS {
        let path = directory.join(format!("{limit}.db"));
        let mut receiver = open(Some(&path), UUID_KEY)?;
        receiver.execute_batch("CREATE TABLE local(n)")?;
        for (what, data) in [("new", &updated.before), ("updated", &updated.changes)] {
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

/// A database with these tables; in memory without a path.
pub fn open(path: Option<&Path>, schema: &[&str]) -> Outcome<Connection> {
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
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    for tables in schema {
        connection.execute_batch(tables)?;
    }
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
