//! Changesets: making, streaming, applying and applying again, against bare SQLite and against rows of `crsql_changes`.

use std::fmt::Write;
use std::hash::Hasher;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::Outcome;
use crate::clock::time;
use crate::ratios::{carry_changes, merge_carried};
use crate::replica::{Key, Replica, Side};
use crate::report::verdict;
use crate::settings::Settings;
use crate::source;

/// What is measured; µs per row, or bytes per row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Bulk,
    Hash,
    Make,
    MakeCompressed,
    Stream,
    Apply,
    ApplyAgain,
    Merge,
    Csv,
    Size,
}

const MEASURES: usize = 10;

/// A line of the table: a measure as a ratio to another, with its bound for the integer key and the uuid key.
struct Line {
    title: &'static str,
    of: Measure,
    to: Measure,
    bounds: [f64; 2],
}

const fn line(title: &'static str, of: Measure, to: Measure, bounds: [f64; 2]) -> Line {
    Line {
        title,
        of,
        to,
        bounds,
    }
}

/// Without a bound of its own.
const NONE: [f64; 2] = [f64::INFINITY; 2];

const LINES: [Line; 9] = [
    line(
        "`crsql_changeset(0)` without compression, to a `SELECT *` that hashes each value",
        Measure::Make,
        Measure::Hash,
        [4.0; 2],
    ),
    line(
        "`crsql_changeset(0)`, to the same",
        Measure::MakeCompressed,
        Measure::Hash,
        NONE,
    ),
    line(
        "`crsql_changesets(0)`, to the same",
        Measure::Stream,
        Measure::Hash,
        NONE,
    ),
    line(
        "`crsql_apply` of new rows, to the bare bulk insert",
        Measure::Apply,
        Measure::Bulk,
        [2.8, 1.9],
    ),
    line(
        "`crsql_apply` of known rows, to that of new rows",
        Measure::ApplyAgain,
        Measure::Apply,
        [0.5; 2],
    ),
    line(
        "`crsql_apply` of new rows, to `INSERT INTO crsql_changes`",
        Measure::Apply,
        Measure::Merge,
        [0.2; 2],
    ),
    line(
        "`INSERT INTO crsql_changes`, to the bare bulk insert",
        Measure::Merge,
        Measure::Bulk,
        NONE,
    ),
    line(
        "bytes of the changeset, to `zstd -3` of the CSV",
        Measure::Size,
        Measure::Csv,
        [1.15; 2],
    ),
    line("the bare bulk insert", Measure::Bulk, Measure::Bulk, NONE),
];

/// The smallest sample of each measure.
struct Samples([f64; MEASURES]);

impl Samples {
    fn add(&mut self, measure: Measure, value: f64) {
        let smallest = &mut self.0[measure as usize];
        *smallest = smallest.min(value);
    }

    fn print(&self, key: Key) {
        println!(
            "| {}, changesets | to | µs or bytes | ratio | bound | |",
            key.name()
        );
        println!("|---|---|---|---|---|---|");
        for line in &LINES {
            let (of, to) = (self.0[line.of as usize], self.0[line.to as usize]);
            let bound = match key {
                Key::Integer => line.bounds[0],
                Key::Uuid => line.bounds[1],
                Key::Composite => f64::INFINITY,
            };
            let (bound, verdict) = verdict(of / to, bound);
            println!(
                "| {} | {to:.2} | {of:.2} | {:.2}x | {bound} | {verdict} |",
                line.title,
                of / to
            );
        }
        println!();
    }
}

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::ALL {
        let mut samples = Samples([f64::INFINITY; MEASURES]);
        let source = settings.directory.join("source.db");
        source::write(&source, key, 0, settings.rows)?;
        samples.add(
            Measure::Csv,
            csv_bytes(settings, key)? / settings.rows as f64,
        );
        for _ in 0..settings.repeats {
            exchange(settings, key, &source, &mut samples)?;
        }
        samples.print(key);
    }
    Ok(())
}

fn exchange(settings: &Settings, key: Key, source: &Path, samples: &mut Samples) -> Outcome<()> {
    let rows = settings.rows as f64;
    let bare = Replica::create(settings, Side::Bare, key, "bare.db")?;
    bare.attach(source, "source")?;
    samples.add(Measure::Bulk, bare.time(key.fill())? / rows);
    samples.add(Measure::Hash, time(|| hash(&bare.connection))? / rows);

    let origin = Replica::create(settings, Side::Crsql, key, "origin.db")?;
    origin.attach(source, "source")?;
    origin.run(key.fill())?;
    origin.detach("source")?;
    let mut data = Vec::new();
    for (measure, sql) in [
        (Measure::Make, "SELECT crsql_changeset(0, NULL, 0)"),
        (Measure::MakeCompressed, "SELECT crsql_changeset(0)"),
    ] {
        let duration = time(|| {
            data = origin
                .connection
                .query_row(sql, [], |row| row.get::<_, Vec<u8>>(0))?;
            Ok(())
        })?;
        samples.add(measure, duration / rows);
    }
    samples.add(Measure::Size, data.len() as f64 / rows);
    samples.add(Measure::Stream, time(|| stream(&origin.connection))? / rows);

    let replica = Replica::create(settings, Side::Crsql, key, "replica.db")?;
    for (measure, expected) in [
        (Measure::Apply, settings.rows * 4),
        (Measure::ApplyAgain, 0),
    ] {
        replica.checkpoint()?;
        samples.add(
            measure,
            time(|| apply(&replica.connection, &data, expected))? / rows,
        );
    }
    let carrier = carry_changes(settings, &origin)?;
    let merged = Replica::create(settings, Side::Crsql, key, "merged.db")?;
    samples.add(Measure::Merge, merge_carried(&merged, &carrier)? / rows);
    Ok(())
}

/// Reads the table and hashes each value.
fn hash(connection: &Connection) -> Outcome<()> {
    let mut statement = connection.prepare("SELECT * FROM t")?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut hasher = std::hash::DefaultHasher::new();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => hasher.write_u8(0),
                ValueRef::Integer(integer) => hasher.write_i64(integer),
                ValueRef::Real(real) => hasher.write_u64(real.to_bits()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => hasher.write(bytes),
            }
        }
    }
    std::hint::black_box(hasher.finish());
    Ok(())
}

fn stream(connection: &Connection) -> Outcome<()> {
    let mut statement = connection.prepare("SELECT data FROM crsql_changesets(0)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        std::hint::black_box(row.get_ref(0)?);
    }
    Ok(())
}

fn apply(connection: &Connection, data: &[u8], expected: usize) -> Outcome<()> {
    let won: i64 = connection.query_row("SELECT crsql_apply(?)", [data], |row| row.get(0))?;
    match won == expected as i64 {
        true => Ok(()),
        false => Err(format!("{won} changes won, not {expected}").into()),
    }
}

/// The bytes of `zstd -3` of the same rows as CSV.
fn csv_bytes(settings: &Settings, key: Key) -> Outcome<f64> {
    let mut csv = String::new();
    for row in source::rows(0, settings.rows) {
        match key {
            Key::Integer => write!(csv, "{}", row.number)?,
            Key::Uuid => write!(csv, "{}", row.uuid)?,
            Key::Composite => write!(csv, "{},{}", row.place, row.number)?,
        }
        let (name, quantity, price, note) = (row.name, row.quantity, row.price, row.note);
        writeln!(csv, ",{name},{quantity},{price},{note}")?;
    }
    Ok(zstd::bulk::compress(csv.as_bytes(), 3)?.len() as f64)
}
