//! Runs the demo as a user would and checks with its own queries what it claims.
//!
//! The demo leaves copies of the three databases as they were while offline. The rules of merging,
//! written down here once more and independently, say from these copies alone what the end has to be;
//! that is compared with the three databases, cell by cell. A demo without real conflicts fails.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rusqlite::Connection;
use rusqlite::types::Value;
use support::{Change, ScratchDir};

const DEVICES: [&str; 3] = ["office", "north", "west"];
const TABLES: [(&str, &str); 2] = [("airports", "faa"), ("planes", "tailnum")];

/// Airports and planes in the data set, less the few that the demo deletes.
const ROWS_MIN: usize = 4_700;
/// Two devices give another name to the same maker on every plane of it.
const CONTESTED_CELLS_MIN: usize = 390;

/// Cells of one row by column name, or none if the row is deleted.
type RowState = Option<BTreeMap<String, Value>>;
/// Table name and packed key.
type RowKey = (String, Vec<u8>);

struct Demo {
    directory: ScratchDir,
    printed: String,
}

impl Demo {
    /// Runs the demo once for all tests of this file.
    fn run() -> &'static Self {
        static DEMO: OnceLock<Demo> = OnceLock::new();
        DEMO.get_or_init(|| {
            let directory = support::scratch_dir();
            let output =
                Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo.sh"))
                    .env("DEMO_DIR", directory.join("demo"))
                    .env("CRSQL_EXTENSION", support::extension_path())
                    .output()
                    .expect("start scripts/demo.sh");
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{printed}\n{errors}");
            assert_eq!(errors, "", "the demo prints errors");
            Self { directory, printed }
        })
    }

    fn open(&self, name: &str) -> Connection {
        support::open(self.directory.join(format!("demo/{name}.db")))
    }

    /// The changes that each device had when it was offline.
    fn offline_changes(&self) -> Vec<Vec<Change>> {
        DEVICES
            .iter()
            .map(|device| support::changes(&self.open(&format!("offline/{device}")), 0))
            .collect()
    }
}

#[test]
fn the_three_databases_end_equal_and_large() {
    let demo = Demo::run();
    let office = stored_rows(&demo.open("office"));
    assert!(office.len() > ROWS_MIN, "only {} rows", office.len());
    for device in ["north", "west"] {
        let other = stored_rows(&demo.open(device));
        assert!(office == other, "office and {device} differ");
    }
}

#[test]
fn each_winner_is_what_the_rules_say() {
    let demo = Demo::run();
    let expected = settle(&demo.offline_changes().concat());
    for device in DEVICES {
        let connection = demo.open(device);
        let stored = stored_rows(&connection);
        let mut live = 0;
        for ((table, pk), row) in &expected {
            let found = stored.get(&(table.clone(), pk.clone()));
            assert_eq!(found, row.as_ref(), "{device}, {table} {pk:02x?}");
            live += usize::from(row.is_some());
        }
        assert_eq!(stored.len(), live, "{device} holds rows nobody wrote");
    }
}

#[test]
fn the_devices_really_conflicted() {
    let offline = Demo::run().offline_changes();
    let mut cells: BTreeMap<(RowKey, String), Vec<&Value>> = BTreeMap::new();
    for change in offline.iter().flatten().filter(|change| is_edit(change)) {
        let cell = (row_key(change), change.cid.clone());
        cells.entry(cell).or_default().push(&change.val);
    }
    let is_contested = |values: &&Vec<&Value>| values.iter().any(|value| *value != values[0]);
    assert!(cells.values().filter(is_contested).count() >= CONTESTED_CELLS_MIN);

    let edited: Vec<RowKey> = offline
        .iter()
        .flatten()
        .filter(|change| is_edit(change))
        .map(row_key)
        .collect();
    let lives: Vec<_> = offline.iter().map(|own| causal_lengths(own)).collect();
    let devices_at =
        |key: &RowKey, cl: i64| lives.iter().filter(|own| own.get(key) == Some(&cl)).count();
    assert!(
        edited.iter().any(|key| devices_at(key, 2) > 0),
        "no delete met an edit"
    );
    assert!(
        edited.iter().any(|key| devices_at(key, 3) > 0),
        "no re-created row met an edit of the old one"
    );
    assert!(
        lives[0].keys().any(|key| devices_at(key, 3) > 1),
        "no row was re-created on two devices"
    );
}

#[test]
fn key_changes_carry_whole_rows() {
    let demo = Demo::run();
    for device in DEVICES {
        let connection = demo.open(device);
        let count = |sql: &str| -> i64 {
            connection
                .query_row(sql, [], |row| row.get(0))
                .expect("count rows")
        };
        let moved = "SELECT count(*) FROM airports WHERE faa = 'PFA' AND name = 'Fairbanks Intl'
             AND lat = 64.815114 AND lon = -147.856267 AND alt = 434 AND tz = -9 AND dst = 'A'
             AND tzone = 'America/Anchorage'";
        assert_eq!(count(moved), 1, "{device}: FAI as PFA");
        assert_eq!(count("SELECT count(*) FROM airports WHERE faa = 'FAI'"), 0);
        let both = "SELECT count(*) FROM planes WHERE tailnum IN ('N105AA', 'N105DL')
             AND year = 1999 AND model = 'A320-214' AND engine = 'Turbo-fan'";
        assert_eq!(count(both), 2, "{device}: N105UW under both new keys");
        assert_eq!(
            count("SELECT count(*) FROM planes WHERE tailnum = 'N105UW'"),
            0
        );
    }
}

#[test]
fn the_report_tells_the_story() {
    let printed = &Demo::run().printed;
    let last_round = printed
        .split("All of it once more")
        .nth(1)
        .and_then(|rest| rest.split("\n== ").next())
        .expect("the demo shows the last round");
    assert_eq!(last_round.matches(" 0 applied").count(), 3, "{last_round}");
    for winner in ["re-created beats edited", "Inouye Intl", "A320-251N, 150"] {
        assert!(
            printed.contains(winner),
            "{winner} is missing in\n{printed}"
        );
    }
    let proof = printed.split("SHA3").nth(1).expect("the demo shows hashes");
    let hashes: Vec<&str> = proof.lines().filter(|line| line.len() == 64).collect();
    assert_eq!(hashes.len(), 3, "{printed}");
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}

/// The end that the rules demand: per row the largest causal length, and in that life per column the
/// largest version, then the largest value. Rows that are gone are `None`.
fn settle(changes: &[Change]) -> BTreeMap<RowKey, RowState> {
    let mut cells: BTreeMap<RowKey, BTreeMap<String, &Change>> = BTreeMap::new();
    let lives = causal_lengths(changes);
    for change in changes {
        let key = row_key(change);
        let columns = cells.entry(key.clone()).or_default();
        if change.cid == "-1" || change.cl != lives[&key] {
            continue;
        }
        let best = columns.entry(change.cid.clone()).or_insert(change);
        let order = (change.col_version.cmp(&best.col_version))
            .then_with(|| compare_values(&change.val, &best.val));
        if order == Ordering::Greater {
            *best = change;
        }
    }
    let end = |(key, columns): (RowKey, BTreeMap<String, &Change>)| {
        let is_live = lives[&key] % 2 == 1;
        let values = columns
            .into_iter()
            .map(|(cid, best)| (cid, best.val.clone()));
        let row = is_live.then(|| values.collect());
        (key, row)
    };
    cells.into_iter().map(end).collect()
}

fn causal_lengths(changes: &[Change]) -> BTreeMap<RowKey, i64> {
    let mut lives = BTreeMap::new();
    for change in changes {
        let largest = lives.entry(row_key(change)).or_insert(change.cl);
        *largest = change.cl.max(*largest);
    }
    lives
}

/// Whether the cell was written again after the row was first inserted.
fn is_edit(change: &Change) -> bool {
    change.cl == 1 && change.cid != "-1" && change.col_version > 1
}

fn row_key(change: &Change) -> RowKey {
    (change.table.clone(), change.pk.clone())
}

/// Storage class first, NULL < BLOB < TEXT < REAL < INTEGER, then the value.
fn compare_values(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Blob(_) => 1,
        Value::Text(_) => 2,
        Value::Real(_) => 3,
        Value::Integer(_) => 4,
    };
    match (left, right) {
        (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Real(left), Value::Real(right)) => {
            left.partial_cmp(right).unwrap_or(Ordering::Equal)
        }
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Every row of both tables, read from the tables themselves, under its packed key.
fn stored_rows(connection: &Connection) -> BTreeMap<RowKey, BTreeMap<String, Value>> {
    let mut rows = BTreeMap::new();
    for (table, key) in TABLES {
        let sql = format!("SELECT crsql_pack_columns({key}), * FROM {table}");
        let mut statement = connection.prepare(&sql).expect("prepare");
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut found = statement.query([]).expect("query");
        while let Some(row) = found.next().expect("next row") {
            let pk: Vec<u8> = row.get(0).expect("packed key");
            let cells = (1..names.len())
                .filter(|index| names[*index] != key)
                .map(|index| (names[index].clone(), row.get(index).expect("value")))
                .collect();
            rows.insert((table.to_owned(), pk), cells);
        }
    }
    rows
}
