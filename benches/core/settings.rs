//! What to run and how large: the arguments and the environment, read once.
//!
//! The defaults keep the table of ratios under three minutes on two busy cores.

use std::path::PathBuf;

use crate::Outcome;
use crate::gate::Mode;

/// One part of the benchmark, chosen by an argument.
pub enum Group {
    Ratios,
    Growth,
    Floors,
    Changesets,
    Compare,
    Digests,
    Flights,
    Gate(Mode),
}

/// Sizes and places, equal for both sides of every ratio.
pub struct Settings {
    /// The shared object that is loaded.
    pub extension: PathBuf,
    /// Where the databases are made; removed at the end.
    pub directory: PathBuf,
    /// Rows of the bulk workloads.
    pub rows: usize,
    /// Transactions of the one-row workloads.
    pub transactions: usize,
    /// Rows of the table whose changes are polled, and of those whose digests are compared.
    pub large_rows: usize,
    /// Runs of each workload; the fastest counts.
    pub repeats: usize,
    /// The largest table of the growth group.
    pub growth_rows: usize,
}

impl Settings {
    pub fn from_environment() -> Outcome<Self> {
        let extension = match std::env::var_os("CRSQL_EXTENSION") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/crsql.so"),
        };
        let parent = match std::env::var_os("CRSQL_BENCH_DIRECTORY") {
            Some(path) => PathBuf::from(path),
            None => std::env::temp_dir(),
        };
        Ok(Self {
            extension,
            directory: parent.join(format!("crsql-bench-{:07}", std::process::id())),
            rows: number("CRSQL_BENCH_ROWS", 100_000)?,
            transactions: number("CRSQL_BENCH_TRANSACTIONS", 4_000)?,
            large_rows: number("CRSQL_BENCH_LARGE_ROWS", 1_000_000)?,
            repeats: number("CRSQL_BENCH_REPEATS", 5)?,
            growth_rows: number("CRSQL_BENCH_GROWTH_ROWS", 3_000_000)?,
        })
    }

    /// The conditions of the run, to print above its results.
    pub fn describe(&self) -> String {
        format!(
            "SQLite {}, file databases under {}, {}.\n\
             Rows of 5 columns: key (INTEGER or uuid TEXT; 6 with a composite key), name TEXT, quantity INTEGER, price REAL, note TEXT.\n\
             {} rows, {} one-row transactions, {} rows where it says a large table, fastest of {} alternating runs, {} time.\n",
            rusqlite::version(),
            self.directory.parent().unwrap_or(&self.directory).display(),
            crate::replica::PRAGMAS,
            self.rows,
            self.transactions,
            self.large_rows,
            self.repeats,
            crate::clock::name(),
        )
    }
}

/// What a process is to do.
pub enum Request {
    Groups(Vec<Group>),
    /// Part of a group that needs a process of its own, which another process of the benchmark starts.
    Child(Vec<String>),
}

impl Request {
    pub fn from_arguments() -> Outcome<Self> {
        let mut groups = Vec::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What `cargo bench` itself passes to every benchmark.
                "--bench" => {}
                "table" => groups.push(Group::Ratios),
                "growth" => groups.push(Group::Growth),
                "floors" => groups.push(Group::Floors),
                "changesets" => groups.push(Group::Changesets),
                "compare" => groups.push(Group::Compare),
                "digests" => groups.push(Group::Digests),
                "flights" => groups.push(Group::Flights),
                "gate" => groups.push(Group::Gate(Mode::Check)),
                "gate-record" => groups.push(Group::Gate(Mode::Record)),
                "child" => return Ok(Self::Child(arguments.collect())),
                other => {
                    return Err(format!(
                        "unknown argument {other}: say table, compare, changesets, digests, flights, growth, floors, gate or \
                         gate-record"
                    )
                    .into());
                }
            }
        }
        if groups.is_empty() {
            groups.push(Group::Ratios);
        }
        Ok(Self::Groups(groups))
    }
}

fn number(variable: &str, default: usize) -> Outcome<usize> {
    match std::env::var(variable) {
        Ok(text) => match text.replace('_', "").parse() {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(format!("{variable} is {text}: say a number above 0").into()),
        },
        Err(_) => Ok(default),
    }
}
