//! Memory: the highest use of SQLite's heap, and the growth of the process.
//!
//! What is freed stays with the process, so each task runs in a process of its own, which gives back what it has left over
//! and counts from the moment before the work. SQLite's heap holds the page cache (2 MB), statements, sorters and sessions; the process also what the
//! extension itself allocates, and the pages of the mapped index of the write-ahead log.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::digests::converse;
use crate::exchange::{apply, make};
use crate::flights;
use crate::replica::{Database, Key, Shape, Side};
use crate::settings::Settings;

/// The most that a task used beyond what was in use before, in bytes.
#[derive(Clone, Copy)]
pub struct Peak {
    sqlite: u64,
    process: u64,
}

impl Peak {
    pub fn describe(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!("{:.1} ({:.1}) MiB", mib(self.process), mib(self.sqlite))
    }

    /// The growth of the whole process, in MiB.
    pub fn process_mib(&self) -> f64 {
        self.process as f64 / f64::from(1 << 20)
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Fill,
    Make,
    Apply,
    /// Reads a database by `crsql_changesets` with its defaults.
    Stream,
    /// Lets two databases talk by `crsql_reconcile`.
    Converse,
}

const TASKS: [(Task, &str); 5] = [
    (Task::Fill, "fill"),
    (Task::Make, "make"),
    (Task::Apply, "apply"),
    (Task::Stream, "stream"),
    (Task::Converse, "converse"),
];

const SIDES: [Side; 4] = [Side::Bare, Side::Crsql, Side::Changelog, Side::Session];

/// A task for another process, with the files that it reads: the rows of a table, or whole databases.
pub struct Assignment {
    task: Task,
    side: Side,
    shape: &'static str,
    files: Vec<PathBuf>,
}

impl Assignment {
    pub fn table(task: Task, side: Side, shape: &Shape, source: &Path) -> Self {
        Self {
            task,
            side,
            shape: shape.name,
            files: vec![source.to_owned()],
        }
    }

    pub fn databases(task: Task, shape: &Shape, files: &[PathBuf]) -> Self {
        Self {
            task,
            side: Side::Crsql,
            shape: shape.name,
            files: files.to_vec(),
        }
    }
}

/// Runs a task in a process of its own.
pub fn in_child(settings: &Settings, assignment: &Assignment) -> Outcome<Peak> {
    let task = TASKS
        .iter()
        .find_map(|(task, name)| (*task == assignment.task).then_some(*name))
        .unwrap_or_default();
    let output = Command::new(std::env::current_exe()?)
        .args(["child", "memory", task])
        .args([assignment.side.name(), assignment.shape])
        .args(&assignment.files)
        .env("CRSQL_BENCH_DIRECTORY", &settings.directory)
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(Ok(sqlite)), Some(Ok(process))) => Ok(Peak { sqlite, process }),
        _ => Err(format!("measuring memory ended with {}: {text}", output.status).into()),
    }
}

/// The task in this process: prints the bytes of SQLite's heap and of the process.
pub fn run_one(settings: &Settings, arguments: &[String]) -> Outcome<()> {
    let [task, side, shape, files @ ..] = arguments else {
        return Err("a memory task has a side, a shape and files".into());
    };
    let task = TASKS
        .iter()
        .find_map(|(found, name)| (name == task).then_some(*found));
    let side = SIDES.into_iter().find(|found| found.name() == side);
    let shape = Key::ALL
        .map(Key::shape)
        .into_iter()
        .chain([&flights::SHAPE])
        .find(|found| found.name == shape);
    let (Some(task), Some(side), Some(shape), [file, ..]) = (task, side, shape, files) else {
        return Err(format!("no memory task is {arguments:?}").into());
    };
    let file = Path::new(file);
    let peak = match task {
        Task::Stream => {
            let database = Database::open(settings, Side::Crsql, file)?;
            peak(|| stream(&database))?
        }
        Task::Converse => {
            let open = |path: &String| Database::open(settings, Side::Crsql, Path::new(path));
            let databases = files.iter().map(open).collect::<Outcome<Vec<_>>>()?;
            let [left, right] = databases.as_slice() else {
                return Err("a conversation needs two databases".into());
            };
            peak(|| converse(&left.connection, &right.connection).map(drop))?
        }
        Task::Fill | Task::Make | Task::Apply => of_table(settings, task, side, shape, file)?,
    };
    println!("{} {}", peak.sqlite, peak.process);
    Ok(())
}

fn of_table(
    settings: &Settings,
    task: Task,
    side: Side,
    shape: &Shape,
    source: &Path,
) -> Outcome<Peak> {
    let origin = Database::create(settings, side, shape, "origin.db")?;
    origin.attach(source, "source")?;
    let mut session = match side {
        Side::Session => Some(origin.session()?),
        Side::Bare | Side::Crsql | Side::Changelog => None,
    };
    if task == Task::Fill {
        return peak(|| origin.run(shape.fill));
    }
    origin.run(shape.fill)?;
    let mut data = Vec::new();
    let making = peak(|| {
        data = make(&origin, shape, session.as_mut())?;
        Ok(())
    })?;
    if task == Task::Make {
        return Ok(making);
    }
    drop(session);
    drop(origin);
    let receiver = Database::create(settings, side, shape, "receiver.db")?;
    peak(|| apply(&receiver, shape, &data))
}

pub fn stream(database: &Database) -> Outcome<()> {
    let mut statement = database
        .connection
        .prepare("SELECT data FROM crsql_changesets(0)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        std::hint::black_box(row.get_ref(0)?);
    }
    Ok(())
}

/// Runs some work and reads both peaks.
fn peak(work: impl FnOnce() -> Outcome<()>) -> Outcome<Peak> {
    // SAFETY: both functions only read counters of the SQLite that is linked into this program.
    let before = unsafe {
        rusqlite::ffi::sqlite3_memory_highwater(1);
        rusqlite::ffi::sqlite3_memory_used()
    };
    give_back();
    // Sets the highest resident size back to the present one.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let resident = status_bytes("VmRSS:")?;
    work()?;
    // SAFETY: as above.
    let highest = unsafe { rusqlite::ffi::sqlite3_memory_highwater(0) };
    Ok(Peak {
        sqlite: u64::try_from(highest - before).unwrap_or(0),
        process: status_bytes("VmHWM:")?.saturating_sub(resident),
    })
}

/// Gives what was freed back to the system, so that the work that follows does not take it for free.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    unsafe extern "C" {
        fn malloc_trim(keep: usize) -> i32;
    }
    // SAFETY: a function of the C library without preconditions.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

/// A line of /proc/self/status, which is in KiB.
fn status_bytes(name: &str) -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or_else(|| format!("/proc/self/status has no {name}"))?
        .parse()?;
    Ok(kib * 1024)
}
