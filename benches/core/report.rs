//! Samples and the Markdown tables made of them.

use std::collections::BTreeMap;

use crate::replica::{Key, Side};

/// One measured workload. The unit is µs per row, per transaction or per poll; bytes per row for the sizes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Bulk,
    StatementInsert,
    StatementUpdate,
    TransactionInsert,
    TransactionUpdate,
    UpdateAll,
    UpdateAllAgain,
    DeleteAll,
    BulkSize,
    MergedSize,
    ReadAll,
    Merge,
    Poll,
    Make,
    Shipped,
    Apply,
    ApplyAgain,
    FirstDigest,
}

/// A workload as the table shows it.
struct Line {
    step: Step,
    title: &'static str,
    /// The workload whose bare side it is compared with.
    baseline: Step,
    /// Upper bounds of the ratio for the integer key and the uuid key.
    bounds: [f64; 2],
}

const fn line(step: Step, title: &'static str, baseline: Step, bounds: [f64; 2]) -> Line {
    Line {
        step,
        title,
        baseline,
        bounds,
    }
}

const LINES: [Line; 13] = [
    line(
        Step::Bulk,
        "bulk `INSERT ... SELECT`",
        Step::Bulk,
        [2.6, 1.9],
    ),
    line(
        Step::StatementInsert,
        "one `INSERT` per row, one transaction",
        Step::StatementInsert,
        [3.2, 2.5],
    ),
    line(
        Step::StatementUpdate,
        "one `UPDATE` per row, one transaction",
        Step::StatementUpdate,
        [3.2, 2.5],
    ),
    line(
        Step::TransactionInsert,
        "one-row transactions, `INSERT`",
        Step::TransactionInsert,
        [2.2, 2.2],
    ),
    line(
        Step::TransactionUpdate,
        "one-row transactions, `UPDATE`",
        Step::TransactionUpdate,
        [2.2, 2.2],
    ),
    line(
        Step::UpdateAll,
        "`UPDATE` of one column of every row, first",
        Step::UpdateAll,
        [10.0, 9.0],
    ),
    line(
        Step::UpdateAllAgain,
        "`UPDATE` of one column of every row, again",
        Step::UpdateAllAgain,
        [10.0, 9.0],
    ),
    line(
        Step::DeleteAll,
        "`DELETE` of every row with a `WHERE`",
        Step::DeleteAll,
        [8.0, 5.0],
    ),
    line(
        Step::BulkSize,
        "file size after the bulk insert (bytes per row)",
        Step::BulkSize,
        [1.35, 1.45],
    ),
    line(
        Step::MergedSize,
        "file size of a replica filled by merging (bytes per row)",
        Step::BulkSize,
        [1.35, 1.45],
    ),
    line(
        Step::ReadAll,
        "all changes by `SELECT`, to the bare bulk insert",
        Step::Bulk,
        [8.0, 3.5],
    ),
    line(
        Step::Merge,
        "merge into an empty replica, to the bare bulk insert",
        Step::Bulk,
        [18.0, 8.0],
    ),
    line(
        Step::Poll,
        "empty poll, to a point `SELECT` by key",
        Step::Poll,
        [4.0, 4.0],
    ),
];

/// The smallest sample of each workload and side.
#[derive(Default)]
pub struct Samples(BTreeMap<(Step, Side), f64>);

impl Samples {
    pub fn add(&mut self, step: Step, side: Side, value: f64) {
        let smallest = self.0.entry((step, side)).or_insert(f64::INFINITY);
        *smallest = smallest.min(value);
    }

    /// One value, not a number if it was not measured.
    pub fn get(&self, step: Step, side: Side) -> f64 {
        self.0.get(&(step, side)).copied().unwrap_or(f64::NAN)
    }

    /// A table of several sides: what the bare one takes, and the others with their ratio to it. What only some of them do
    /// is compared with what bare SQLite takes for `baseline`.
    pub fn print_comparison(&self, title: &str, sides: &[Side], lines: &[(Step, &str, Step)]) {
        let names: Vec<&str> = sides.iter().map(|side| side.name()).collect();
        println!("| {title} | bare | {} |", names.join(" | "));
        println!("|---|---|{}", "---|".repeat(sides.len()));
        for (step, title, baseline) in lines {
            let Some(bare) = self.0.get(&(*baseline, Side::Bare)) else {
                continue;
            };
            let cells: Vec<String> = sides
                .iter()
                .map(|side| match self.0.get(&(*step, *side)) {
                    Some(value) => format!("{value:.2} ({:.2}x)", value / bare),
                    None => "-".to_owned(),
                })
                .collect();
            println!("| {title} | {bare:.2} | {} |", cells.join(" | "));
        }
        println!();
    }

    /// The table of one kind of key.
    pub fn print(&self, key: Key) {
        println!("| {} | bare µs | crsql µs | ratio | bound | |", key.name());
        println!("|---|---|---|---|---|---|");
        for line in &LINES {
            let bare = self.0.get(&(line.baseline, Side::Bare));
            let crsql = self.0.get(&(line.step, Side::Crsql));
            let (Some(bare), Some(crsql)) = (bare, crsql) else {
                continue;
            };
            let bound = match key {
                Key::Integer => line.bounds[0],
                Key::Uuid => line.bounds[1],
                Key::Composite => f64::INFINITY,
            };
            let (bound, verdict) = verdict(crsql / bare, bound);
            println!(
                "| {} | {bare:.2} | {crsql:.2} | {:.2}x | {bound} | {verdict} |",
                line.title,
                crsql / bare
            );
        }
        println!();
    }
}

/// A bound as the tables show it, and whether a ratio keeps it; nothing where there is no bound.
pub fn verdict(ratio: f64, bound: f64) -> (String, &'static str) {
    match (bound.is_finite(), ratio <= bound) {
        (false, _) => (String::new(), ""),
        (true, true) => (format!("{bound}x"), "pass"),
        (true, false) => (format!("{bound}x"), "MISS"),
    }
}
