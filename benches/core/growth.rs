//! Cost per row while one table grows, and beside a table of tombstones: it has to stay flat.
//!
//! At each size a batch of new rows is inserted, read, updated, deleted and another one merged, so that what is compared
//! is the cost at that size and not an average over the way to it. Text keys are random: the bare table itself slows down
//! with the depth and spread of its b-trees, so growth counts beyond that of the bare table. The page cache holds the
//! whole file on both sides.

use std::ops::Range;
use std::path::Path;

use crate::Outcome;
use crate::clock::time;
use crate::plot::{self, Curve, Panel};
use crate::ratios::{carry_changes, empty_polls, merge_carried, read_changes};
use crate::replica::{Key, Replica, Side};
use crate::settings::Settings;
use crate::source;

/// Table sizes, as far as the settings allow.
const SIZES: [usize; 6] = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000];
/// Rows of the batch that is measured at each size.
const BATCH: usize = 2_000;
/// Measurements at each size; the fastest counts.
const REPEATS: usize = 5;
/// Upper bound of the cost at the largest size over the cost at the smallest, beyond what the bare table does.
const FLAT: f64 = 1.5;
/// Live rows on the other table, and tombstones for each.
const SURVIVORS: usize = 1_000;
const TOMBSTONES: usize = 1_000;
/// Room for the largest database.
const PAGE_CACHE: &str = "PRAGMA main.cache_size = -2000000";
/// Empty polls timed together.
const POLLS: usize = 5_000;

/// What is measured, in µs per row, per poll for the last. A bare database has no changes to read, merge or poll.
const NAMES: [&str; 7] = [
    "fill",
    "insert",
    "update",
    "delete",
    "read",
    "merge",
    "empty poll",
];
type Costs = [f64; 7];
/// What is plotted, and in which colour (those of Okabe and Ito, which colour-blind people tell apart).
const PLOTTED: [(&str, &str); 5] = [
    ("insert", "#0072B2"),
    ("update", "#E69F00"),
    ("delete", "#D55E00"),
    ("read", "#009E73"),
    ("merge", "#CC79A7"),
];

/// What was measured at one size.
struct Line {
    name: String,
    rows: usize,
    costs: Costs,
}

pub fn run(settings: &Settings) -> Outcome<()> {
    let mut panels = Vec::new();
    for key in Key::ALL {
        let bare = grow(settings, Side::Bare, key)?;
        let crsql = grow(settings, Side::Crsql, key)?;
        print_growth(&format!("bare, {}", key.name()), &bare);
        println!();
        print_growth(&format!("crsql, {}", key.name()), &crsql);
        print_verdict(&crsql, &bare);
        let beside = beside_tombstones(settings, key)?;
        print_growth(
            &format!("crsql, {}, tombstones beside", key.name()),
            &beside,
        );
        print_verdict(&beside, &[]);
        panels.push(panel(key, &bare, &crsql));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/growth.svg");
    plot::write(&path, "Cost per row over the size of the table", &panels)?;
    println!("Wrote the plot to docs/growth.svg.");
    Ok(())
}

/// The curves of one kind of key: the batches on the extension's side, and those of the bare table that have a counterpart.
fn panel(key: Key, bare: &[Line], crsql: &[Line]) -> Panel {
    let mut curves = Vec::new();
    for (name, color) in PLOTTED {
        let Some(index) = NAMES.iter().position(|found| *found == name) else {
            continue;
        };
        for (side, lines, is_dashed) in [("crsql", crsql, false), ("bare", bare, true)] {
            let points: Vec<(f64, f64)> = lines
                .iter()
                .map(|line| (line.rows as f64, line.costs[index]))
                .filter(|(_, cost)| cost.is_finite())
                .collect();
            if !points.is_empty() {
                curves.push(Curve {
                    name: format!("{name}, {side}"),
                    color,
                    is_dashed,
                    points,
                });
            }
        }
    }
    Panel {
        title: key.name().to_owned(),
        curves,
    }
}

/// One table that is filled in steps, and the number of rows that it ever took.
struct Grown<'run> {
    settings: &'run Settings,
    side: Side,
    replica: Replica,
    rows: usize,
}

/// Fills a table in steps and measures a batch at each size.
fn grow(settings: &Settings, side: Side, key: Key) -> Outcome<Vec<Line>> {
    let mut grown = Grown::create(settings, side, key)?;
    let mut lines = Vec::new();
    for size in SIZES
        .into_iter()
        .filter(|size| *size <= settings.growth_rows)
    {
        let count = size.saturating_sub(grown.rows);
        let fill = grown.fill("t", count)? / count as f64;
        lines.push(Line {
            name: format!("{size} rows"),
            rows: size,
            costs: grown.measure(fill)?,
        });
    }
    Ok(lines)
}

/// The same small table without and with a thousand tombstones for each live row beside it.
fn beside_tombstones(settings: &Settings, key: Key) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for tombstones in [0, SURVIVORS * TOMBSTONES] {
        let mut grown = Grown::create(settings, Side::Crsql, key)?;
        grown.replica.create_table("graves")?;
        grown.replica.replicate("graves")?;
        grown.fill("graves", SURVIVORS + tombstones)?;
        grown
            .replica
            .run(&format!("DELETE FROM graves WHERE quantity > {SURVIVORS}"))?;
        let fill = grown.fill("t", SIZES[0])? / SIZES[0] as f64;
        lines.push(Line {
            name: format!("{tombstones} tombstones"),
            rows: SIZES[0],
            costs: grown.measure(fill)?,
        });
    }
    Ok(lines)
}

impl<'run> Grown<'run> {
    fn create(settings: &'run Settings, side: Side, key: Key) -> Outcome<Self> {
        let replica = Replica::create(settings, side, key, "growing.db")?;
        replica.run(PAGE_CACHE)?;
        Ok(Self {
            settings,
            side,
            replica,
            rows: 0,
        })
    }

    /// Inserts rows that no table had before and returns the duration in µs.
    fn fill(&mut self, table: &str, count: usize) -> Outcome<f64> {
        self.attach_rows(self.rows..self.rows + count)?;
        self.rows += count;
        let duration = self.replica.time(
            &self
                .replica
                .key
                .fill()
                .replace("INTO t", &format!("INTO {table}")),
        )?;
        self.replica.detach("source")?;
        Ok(duration)
    }

    fn attach_rows(&self, rows: Range<usize>) -> Outcome<()> {
        let path = self.settings.directory.join("source.db");
        source::write(&path, self.replica.key, rows.start, rows.len())?;
        self.replica.attach(&path, "source")
    }

    /// The smallest costs of some batches, beside the given cost of filling the table.
    fn measure(&mut self, fill: f64) -> Outcome<Costs> {
        let mut best = [f64::INFINITY; 7];
        for _ in 0..REPEATS {
            let (insert, read, update, delete) = self.local_batch()?;
            let (merge, poll) = match self.side {
                Side::Bare | Side::Changelog | Side::Session => (f64::NAN, f64::NAN),
                Side::Crsql => (
                    self.merged_batch()?,
                    empty_polls(&self.replica.connection, POLLS)?,
                ),
            };
            let batch = BATCH as f64;
            let costs = [
                fill,
                insert / batch,
                update / batch,
                delete / batch,
                read / batch,
                merge / batch,
                poll / POLLS as f64,
            ];
            for (best, cost) in best.iter_mut().zip(costs) {
                *best = best.min(cost);
            }
        }
        Ok(best)
    }

    /// Inserts, reads, updates and deletes one batch.
    fn local_batch(&mut self) -> Outcome<(f64, f64, f64, f64)> {
        self.attach_rows(self.rows..self.rows + BATCH)?;
        self.rows += BATCH;
        let insert = self.replica.time(self.replica.key.fill())?;
        let read = match self.side {
            Side::Bare | Side::Changelog | Side::Session => f64::NAN,
            Side::Crsql => {
                let since = self.replica.integer("SELECT crsql_db_version()")? - 1;
                time(|| read_changes(&self.replica.connection, since, BATCH * 4))?
            }
        };
        let these = self.replica.key.among_source();
        let update = self
            .replica
            .time(&format!("UPDATE t SET quantity = quantity + 1 {these}"))?;
        let delete = self.replica.time(&format!("DELETE FROM t {these}"))?;
        self.replica.detach("source")?;
        Ok((insert, read, update, delete))
    }

    /// Merges one batch that another replica made.
    fn merged_batch(&mut self) -> Outcome<f64> {
        let origin = Replica::create(self.settings, Side::Crsql, self.replica.key, "origin.db")?;
        let mut other = Grown {
            settings: self.settings,
            side: Side::Crsql,
            replica: origin,
            rows: self.rows,
        };
        other.fill("t", BATCH)?;
        self.rows = other.rows;
        let carrier = carry_changes(self.settings, &other.replica)?;
        merge_carried(&self.replica, &carrier)
    }
}

/// A line per size, and the growth from the first to the last.
fn print_growth(title: &str, lines: &[Line]) {
    println!("| {title}: µs per row | {} |", NAMES.join(" | "));
    println!("|---|{}", "---|".repeat(NAMES.len()));
    for Line { name, costs, .. } in lines {
        println!("| {name} | {} |", costs.map(number).join(" | "));
    }
    println!("| growth | {} |", growth(lines).map(times).join(" | "));
}

/// Judges the growth beside that of a bare table.
fn print_verdict(lines: &[Line], bare: &[Line]) {
    let [fill, insert, update, delete, ..] = growth(bare);
    // Reading and merging have no bare counterpart: they look rows up by key as these do.
    let beside = [fill, insert, update, delete, update, insert, 1.0];
    let cells = std::array::from_fn::<_, 7, _>(|index| {
        let bound = FLAT * beside[index].max(1.0);
        let verdict = if growth(lines)[index] <= bound {
            "flat"
        } else {
            "GROWS"
        };
        format!("{verdict} ({})", times(bound))
    });
    println!("| verdict (bound) | {} |\n", cells.join(" | "));
}

/// The cost at the last size over the cost at the first.
fn growth(lines: &[Line]) -> Costs {
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => {
            std::array::from_fn(|index| last.costs[index] / first.costs[index])
        }
        _ => [f64::NAN; 7],
    }
}

fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.2}")
    } else {
        String::new()
    }
}

fn times(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.2}x")
    } else {
        String::new()
    }
}
