//! The table of ratios: each workload on a bare database and on a replicated one, in turn.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::Outcome;
use crate::clock::time;
use crate::replica::{CHANGE_COLUMNS, Database, Key, Replica, Side};
use crate::report::{Samples, Step};
use crate::settings::Settings;
use crate::source::{self, Row};

pub const UPDATE_ALL: &str = "UPDATE t SET quantity = quantity + 1";
pub const DELETE_ALL: &str = "DELETE FROM t WHERE quantity >= 0";

/// Keys that the point SELECT of the poll workload asks for in turn.
const POINT_KEYS: usize = 64;
/// Polls, and point SELECTs, timed together.
const POLLS: usize = 20_000;

/// Measures the core workloads on databases of the given sides, in turn.
pub fn measure(settings: &Settings, key: Key, sides: &[Side]) -> Outcome<Samples> {
    let mut samples = Samples::default();
    let source = settings.directory.join("source.db");
    source::write(&source, key, 0, settings.rows)?;
    for _ in 0..settings.repeats {
        whole_table(settings, key, sides, &source, &mut samples)?;
        one_by_one(settings, key, sides, &mut samples)?;
    }
    poll(settings, key, &mut samples)?;
    Ok(samples)
}

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::ALL {
        measure(settings, key, &[Side::Bare, Side::Crsql])?.print(key);
    }
    Ok(())
}

/// An empty database of each side.
fn create_all(settings: &Settings, key: Key, sides: &[Side]) -> Outcome<Vec<Replica>> {
    let create =
        |side: &Side| Replica::create(settings, *side, key, &format!("{}.db", side.name()));
    sides.iter().map(create).collect()
}

/// Statements that touch every row, and what they leave behind.
fn whole_table(
    settings: &Settings,
    key: Key,
    sides: &[Side],
    source: &Path,
    samples: &mut Samples,
) -> Outcome<()> {
    let replicas = create_all(settings, key, sides)?;
    let rows = settings.rows as f64;
    for replica in &replicas {
        replica.attach(source, "source")?;
        samples.add(Step::Bulk, replica.side, replica.time(key.fill())? / rows);
        samples.add(
            Step::BulkSize,
            replica.side,
            replica.size_bytes()? as f64 / rows,
        );
        if replica.side == Side::Crsql {
            let duration = time(|| read_changes(&replica.connection, 0, settings.rows * 4))?;
            samples.add(Step::ReadAll, Side::Crsql, duration / rows);
            merge(settings, replica, samples)?;
        }
    }
    for (step, sql) in [
        (Step::UpdateAll, UPDATE_ALL),
        (Step::UpdateAllAgain, UPDATE_ALL),
        (Step::DeleteAll, DELETE_ALL),
    ] {
        for replica in &replicas {
            samples.add(step, replica.side, replica.time(sql)? / rows);
        }
    }
    Ok(())
}

/// Fetches the changes after a version with all their columns, as an application that sends them does.
pub fn read_changes(connection: &Connection, since: i64, expected: usize) -> Outcome<()> {
    let condition = if since > 0 {
        format!("WHERE db_version > {since}")
    } else {
        String::new()
    };
    let mut statement = connection.prepare(&format!(
        "SELECT {CHANGE_COLUMNS} FROM crsql_changes {condition} ORDER BY db_version, seq"
    ))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
        count += 1;
    }
    if count != expected {
        return Err(format!("crsql_changes reports {count} changes, not {expected}").into());
    }
    Ok(())
}

/// Merges all changes of `origin` into an empty replica.
fn merge(settings: &Settings, origin: &Replica, samples: &mut Samples) -> Outcome<()> {
    let carrier = carry_changes(settings, origin)?;
    let replica = Replica::create(settings, Side::Crsql, origin.key, "merged.db")?;
    let duration = merge_carried(&replica, &carrier)?;
    let merged = replica.integer("SELECT count(*) FROM t")?;
    if merged != settings.rows as i64 {
        return Err(format!(
            "the merged replica has {merged} rows, not {}",
            settings.rows
        )
        .into());
    }
    samples.add(Step::Merge, Side::Crsql, duration / settings.rows as f64);
    samples.add(
        Step::MergedSize,
        Side::Crsql,
        replica.size_bytes()? as f64 / settings.rows as f64,
    );
    Ok(())
}

/// Writes all changes of a replica to a plain table in a file of its own.
pub fn carry_changes(settings: &Settings, origin: &Database) -> Outcome<PathBuf> {
    let path = settings.directory.join("changes.db");
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    origin.attach(&path, "carrier")?;
    origin.run(&format!(
        "PRAGMA carrier.synchronous = OFF;
         CREATE TABLE carrier.changes({CHANGE_COLUMNS});
         INSERT INTO carrier.changes SELECT {CHANGE_COLUMNS} FROM crsql_changes ORDER BY db_version, seq;"
    ))?;
    origin.detach("carrier")?;
    Ok(path)
}

/// Merges what `carry_changes` wrote and returns the duration in µs.
pub fn merge_carried(replica: &Database, carrier: &Path) -> Outcome<f64> {
    replica.attach(carrier, "carrier")?;
    let duration = replica.time(&format!(
        "INSERT INTO crsql_changes({CHANGE_COLUMNS}) SELECT {CHANGE_COLUMNS} FROM carrier.changes"
    ))?;
    replica.detach("carrier")?;
    Ok(duration)
}

/// Prepared statements for one row each, first inside one transaction, then each in its own.
fn one_by_one(settings: &Settings, key: Key, sides: &[Side], samples: &mut Samples) -> Outcome<()> {
    let replicas = create_all(settings, key, sides)?;
    let rows: Vec<Row> = source::rows(0, settings.rows).collect();
    let (more, some) = transaction_rows(settings, &rows);
    for replica in &replicas {
        let duration = in_one_transaction(replica, || insert(replica, &rows))?;
        samples.add(
            Step::StatementInsert,
            replica.side,
            duration / rows.len() as f64,
        );
    }
    for replica in &replicas {
        let duration = replica.measure(|| insert(replica, &more))?;
        samples.add(
            Step::TransactionInsert,
            replica.side,
            duration / more.len() as f64,
        );
    }
    for replica in &replicas {
        let duration = replica.measure(|| update(replica, some.iter().copied()))?;
        samples.add(
            Step::TransactionUpdate,
            replica.side,
            duration / some.len() as f64,
        );
    }
    for replica in &replicas {
        let duration = in_one_transaction(replica, || update(replica, rows.iter()))?;
        samples.add(
            Step::StatementUpdate,
            replica.side,
            duration / rows.len() as f64,
        );
    }
    Ok(())
}

/// The rows that one-row transactions insert, and those of the filled table that they update: spread evenly.
pub fn transaction_rows<'row>(
    settings: &Settings,
    rows: &'row [Row],
) -> (Vec<Row>, Vec<&'row Row>) {
    let more = source::rows(settings.rows, settings.transactions).collect();
    let stride = (settings.rows / settings.transactions).max(1);
    let some = rows
        .iter()
        .step_by(stride)
        .take(settings.transactions)
        .collect();
    (more, some)
}

pub fn in_one_transaction(replica: &Replica, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    replica.measure(|| {
        replica.run("BEGIN")?;
        work()?;
        replica.run("COMMIT")
    })
}

pub fn insert(replica: &Replica, rows: &[Row]) -> Outcome<()> {
    let key = replica.key;
    let mut statement = replica.connection.prepare(&format!(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?{})",
        ", ?".repeat(key.width() - 1)
    ))?;
    for row in rows {
        key.bind(&mut statement, 1, row)?;
        source::bind_values(&mut statement, 1 + key.width(), row)?;
        statement.raw_execute()?;
    }
    Ok(())
}

pub fn update<'row>(replica: &Replica, rows: impl Iterator<Item = &'row Row>) -> Outcome<()> {
    let mut statement = replica.connection.prepare(&format!(
        "UPDATE t SET quantity = ?1 {}",
        replica.key.is_row(2)
    ))?;
    for row in rows {
        statement.raw_bind_parameter(1, row.quantity + 7)?;
        replica.key.bind(&mut statement, 2, row)?;
        statement.raw_execute()?;
    }
    Ok(())
}

/// Asks a large database for changes newer than the newest, against a look-up of one row in a bare one.
fn poll(settings: &Settings, key: Key, samples: &mut Samples) -> Outcome<()> {
    let source = settings.directory.join("source.db");
    source::write(&source, key, 0, settings.large_rows)?;
    let bare = Replica::create(settings, Side::Bare, key, "bare.db")?;
    let crsql = Replica::create(settings, Side::Crsql, key, "crsql.db")?;
    for replica in [&bare, &crsql] {
        replica.attach(&source, "source")?;
        replica.run(key.fill())?;
        replica.checkpoint()?;
    }
    let keys: Vec<Row> = source::rows(settings.large_rows / 2, POINT_KEYS).collect();
    for _ in 0..settings.repeats {
        samples.add(
            Step::Poll,
            Side::Bare,
            point_selects(&bare, &keys, POLLS)? / POLLS as f64,
        );
        samples.add(
            Step::Poll,
            Side::Crsql,
            empty_polls(&crsql.connection, POLLS)? / POLLS as f64,
        );
    }
    Ok(())
}

/// Looks some rows up in turn, as often as said, and returns the duration in µs.
pub fn point_selects(replica: &Replica, keys: &[Row], count: usize) -> Outcome<f64> {
    let mut statement = replica.connection.prepare(&format!(
        "SELECT name, quantity, price, note FROM t {}",
        replica.key.is_row(1)
    ))?;
    time(|| {
        for row in keys.iter().cycle().take(count) {
            replica.key.bind(&mut statement, 1, row)?;
            let found = statement.raw_query().next()?.is_some();
            if !found {
                return Err("the point SELECT found no row".into());
            }
        }
        Ok(())
    })
}

/// Asks again and again for changes newer than the newest, and returns the duration in µs.
pub fn empty_polls(connection: &Connection, count: usize) -> Outcome<f64> {
    let last: i64 = connection.query_row("SELECT crsql_db_version()", [], |row| row.get(0))?;
    let mut statement = connection.prepare(&format!(
        "SELECT {CHANGE_COLUMNS} FROM crsql_changes WHERE db_version > ?"
    ))?;
    time(|| {
        for _ in 0..count {
            if statement.exists([last])? {
                return Err("the poll found a change".into());
            }
        }
        Ok(())
    })
}
