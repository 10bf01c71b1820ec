//! The extension beside what else there is for plain SQLite: a changelog that triggers write, and the session extension.
//!
//! All sides run the same statements on the same rows with the same pragmas, in turn. See `Side` for what each adds; the whole
//! table is then shipped from one database to an empty one.

use std::path::Path;

use crate::Outcome;
use crate::exchange::ship;
use crate::memory::{self, Assignment, Task};
use crate::ratios;
use crate::replica::{Database, Key, Shape, Side};
use crate::report::{Samples, Step};
use crate::settings::Settings;
use crate::source;

/// All that are compared with bare SQLite.
pub const SIDES: [Side; 3] = [Side::Crsql, Side::Changelog, Side::Session];
const ALL_SIDES: [Side; 4] = [Side::Bare, Side::Crsql, Side::Changelog, Side::Session];

/// The rows of the table: step, title, and the step of bare SQLite that it is compared with.
const LINES: [(Step, &str, Step); 13] = [
    (Step::Bulk, "bulk `INSERT ... SELECT`", Step::Bulk),
    (
        Step::StatementInsert,
        "one `INSERT` per row, one transaction",
        Step::StatementInsert,
    ),
    (
        Step::StatementUpdate,
        "one `UPDATE` per row, one transaction",
        Step::StatementUpdate,
    ),
    (
        Step::TransactionInsert,
        "one-row transactions, `INSERT`",
        Step::TransactionInsert,
    ),
    (
        Step::TransactionUpdate,
        "one-row transactions, `UPDATE`",
        Step::TransactionUpdate,
    ),
    (
        Step::UpdateAll,
        "`UPDATE` of one column of every row, first",
        Step::UpdateAll,
    ),
    (
        Step::UpdateAllAgain,
        "`UPDATE` of one column of every row, again",
        Step::UpdateAllAgain,
    ),
    (
        Step::DeleteAll,
        "`DELETE` of every row with a `WHERE`",
        Step::DeleteAll,
    ),
    (
        Step::BulkSize,
        "file size after the bulk insert, bytes",
        Step::BulkSize,
    ),
    (
        Step::Make,
        "making what is shipped, to the bulk insert",
        Step::Bulk,
    ),
    (
        Step::Shipped,
        "bytes shipped, to the file size",
        Step::BulkSize,
    ),
    (
        Step::Apply,
        "applying new rows, to the bulk insert",
        Step::Bulk,
    ),
    (
        Step::ApplyAgain,
        "applying known rows, to the bulk insert",
        Step::Bulk,
    ),
];

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::ALL {
        let shape = key.shape();
        let mut samples = ratios::measure(settings, key, &ALL_SIDES)?;
        let source = settings.directory.join("source.db");
        source::write(&source, key, 0, settings.rows)?;
        for _ in 0..settings.repeats {
            for side in SIDES {
                ship_all(settings, side, shape, &source, &mut samples)?;
            }
        }
        samples.print(key);
        let title = format!("{}, µs per row", shape.name);
        samples.print_comparison(&title, &SIDES, &LINES);
        memory_table(settings, shape, &source)?;
    }
    Ok(())
}

/// Fills a table and ships it.
fn ship_all(
    settings: &Settings,
    side: Side,
    shape: &Shape,
    source: &Path,
    samples: &mut Samples,
) -> Outcome<()> {
    let origin = Database::create(settings, side, shape, "origin.db")?;
    origin.attach(source, "source")?;
    let mut session = match side {
        Side::Session => Some(origin.session()?),
        Side::Bare | Side::Crsql | Side::Changelog => None,
    };
    origin.run(shape.fill)?;
    ship(settings, &origin, shape, session.as_mut(), samples)
}

/// What filling the table, making what is shipped and applying it take in memory.
pub fn memory_table(settings: &Settings, shape: &Shape, source: &Path) -> Outcome<()> {
    let names: Vec<&str> = ALL_SIDES.iter().map(|side| side.name()).collect();
    println!("| {}, memory | {} |", shape.name, names.join(" | "));
    println!("|---|{}", "---|".repeat(ALL_SIDES.len()));
    for (task, title) in [
        (Task::Fill, "bulk `INSERT ... SELECT`"),
        (Task::Make, "making what is shipped"),
        (Task::Apply, "applying new rows"),
    ] {
        let mut cells = Vec::new();
        for side in ALL_SIDES {
            cells.push(match (side, task) {
                (Side::Bare, Task::Make | Task::Apply) => "-".to_owned(),
                _ => memory::in_child(settings, &Assignment::table(task, side, shape, source))?
                    .describe(),
            });
        }
        println!("| {title} | {} |", cells.join(" | "));
    }
    println!();
    Ok(())
}
