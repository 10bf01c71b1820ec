//! For how long a process holds the lock that keeps all others from writing, seen from outside.
//!
//! The watcher is this program once more. It asks the kernel every 50 µs who has the lock, which takes none, and how long
//! the watched process has waited for a processor until now: on an idle machine it would not have.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// Between two looks.
const LOOKS_EVERY: Duration = Duration::from_micros(50);

/// Where the lock of a writer is: the first byte of the locks in the shared memory of a write-ahead log
/// (`WALINDEX_LOCK_OFFSET`), or the reserved byte of a database with a rollback journal (`RESERVED_BYTE`).
const WAL_LOCK: i64 = 120;
const RESERVED_BYTE: i64 = 0x4000_0001;

/// One time that the lock was held, in ms.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// From the last look before it to the first one after it
    pub wall: f64,
    /// Without the time that the process waited for a processor meanwhile
    pub own: f64,
}

/// Where the locks of a database are.
pub fn locks_of(database: &Path, is_wal: bool) -> PathBuf {
    match is_wal {
        true => {
            let mut path = database.as_os_str().to_owned();
            path.push("-shm");
            path.into()
        }
        false => database.to_owned(),
    }
}

/// A watcher that runs.
pub struct Watcher {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
    stop: PathBuf,
}

impl Watcher {
    /// Starts to watch this process, and waits until the watcher looks.
    pub fn start(database: &Path, is_wal: bool) -> Outcome<Watcher> {
        let stop = database.with_extension("watched");
        let mut process = Command::new(std::env::current_exe()?)
            .arg("watcher")
            .arg(locks_of(database, is_wal))
            .arg(if is_wal { WAL_LOCK } else { RESERVED_BYTE }.to_string())
            .arg(std::process::id().to_string())
            .arg(&stop)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?);
        lines.read_line(&mut String::new())?;
        Ok(Watcher {
            process,
            lines,
            stop,
        })
    }

    /// Ends it, and gives what it saw.
    pub fn stop(mut self) -> Outcome<Vec<Hold>> {
        std::fs::write(&self.stop, "")?;
        let mut holds = Vec::new();
        for line in self.lines.lines() {
            let line = line?;
            let (wall, own) = line.split_once(' ').ok_or("half a line")?;
            holds.push(Hold {
                wall: wall.parse()?,
                own: own.parse()?,
            });
        }
        self.process.wait()?;
        std::fs::remove_file(&self.stop)?;
        Ok(holds)
    }
}

/// What the watcher does: prints a line as soon as it looks, and one for each hold when it is told to stop.
pub fn watch(arguments: &[String]) -> Outcome<()> {
    let [locks, byte, process, stop] = arguments else {
        return Err("watcher LOCKS BYTE PROCESS STOP".into());
    };
    let (locks, byte, owner) = (File::open(locks)?, byte.parse()?, process.parse()?);
    let waits = format!("/proc/{process}/schedstat");
    println!("ready");
    std::io::stdout().flush()?;
    let mut holds = Vec::new();
    let mut before = (Instant::now(), waited_ms(&waits)?);
    let mut since = None;
    for look in 0.. {
        let is_held = owner_of_lock(&locks, byte)? == Some(owner);
        let now = (Instant::now(), waited_ms(&waits)?);
        match (is_held, since) {
            (true, None) => since = Some(before),
            (false, Some((start, waited))) => {
                let wall = now.0.duration_since(start).as_secs_f64() * 1e3;
                holds.push((wall, wall - (now.1 - waited)));
                since = None;
            }
            _ => {}
        }
        before = now;
        if look % 64 == 0 && since.is_none() && Path::new(stop).exists() {
            break;
        }
        std::thread::sleep(LOOKS_EVERY);
    }
    for (wall, own) in holds {
        println!("{wall} {own}");
    }
    Ok(())
}

/// How long a process has waited for a processor.
fn waited_ms(path: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(path)?;
    let waited = text.split(' ').nth(1).ok_or("no schedstat")?;
    Ok(waited.parse::<f64>()? / 1e6)
}

/// The process that holds the lock on a byte of a file, if one does.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn owner_of_lock(file: &File, byte: i64) -> Outcome<Option<i32>> {
    /// `struct flock` of 64-bit Linux.
    #[repr(C)]
    struct Lock {
        kind: i16,
        whence: i16,
        start: i64,
        length: i64,
        process: i32,
    }
    unsafe extern "C" {
        fn fcntl(file: i32, command: i32, ...) -> i32;
    }
    /// From asm-generic/fcntl.h.
    const F_GETLK: i32 = 5;
    const F_WRLCK: i16 = 1;
    const F_UNLCK: i16 = 2;

    let mut lock = Lock {
        kind: F_WRLCK,
        whence: 0,
        start: byte,
        length: 1,
        process: 0,
    };
    // SAFETY: the file is open, and the pointer is to a live struct of the layout that this system's kernel fills in.
    match unsafe { fcntl(file.as_raw_fd(), F_GETLK, &raw mut lock) } {
        0 => Ok((lock.kind != F_UNLCK).then_some(lock.process)),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn owner_of_lock(_: &File, _: i64) -> Outcome<Option<i32>> {
    Err("who holds a lock can be asked on 64-bit Linux only".into())
}
