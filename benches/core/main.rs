//! The speed of the extension as ratios to bare SQLite, measured in one run on one machine.
//!
//! "Bare" is always the same SQL on the same table without the extension, in a database of its own with the same pragmas.
//! The extension is loaded from the shared object, as applications do, and never linked. Runs of both sides alternate and
//! the fastest of each counts, so that a busy machine disturbs a ratio as little as possible.
//!
//! ```text
//! cargo bench --bench core                the table of ratios and bounds (default)
//! cargo bench --bench core -- growth      cost per row while the table grows, and beside a table of tombstones
//! cargo bench --bench core -- floors      what triggers, a log and records cost without the extension
//! cargo bench --bench core -- changesets  making and applying changesets
//! cargo bench --bench core -- table growth floors changesets
//! ```

mod changesets;
mod clock;
mod floors;
mod growth;
mod ratios;
mod replica;
mod report;
mod settings;
mod source;

use settings::{Group, Settings};

/// What every part of the benchmark returns: it stops at the first error and prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let settings = Settings::from_environment()?;
    std::fs::create_dir_all(&settings.directory)?;
    let outcome = run(&settings);
    std::fs::remove_dir_all(&settings.directory)?;
    outcome
}

fn run(settings: &Settings) -> Outcome<()> {
    println!("{}", settings.describe());
    for group in &settings.groups {
        match group {
            Group::Ratios => ratios::run(settings)?,
            Group::Growth => growth::run(settings)?,
            Group::Floors => floors::run(settings)?,
            Group::Changesets => changesets::run(settings)?,
        }
    }
    Ok(())
}
