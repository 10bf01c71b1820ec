//! The table of ratios: each workload on a bare database and on a replicated one, in turn.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::Outcome;
use crate::clock::time;
use crate::replica::{CHANGE_COLUMNS, Key, Replica, Side};
use crate::report::{Samples, Step};
use crate::settings::Settings;
use crate::source::{self, Row};

pub const FILL: &str = "INSERT INTO t SELECT id, name, quantity, price, note FROM source.rows";
pub const UPDATE_ALL: &str = "UPDATE t SET quantity = quantity + 1";
pub const DELETE_ALL: &str = "DELETE FROM t WHERE quantity >= 0";

/// Keys that the point SELECT of the poll workload asks for in turn.
const POINT_KEYS: usize = 64;
/// Polls, and point SELECTs, timed together.
const POLLS: usize = 20_000;

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::ALL {
        let mut samples = Samples::default();
        let source = settings.directory.join("source.db");
        source::write(&source, key, 0, settings.rows)?;
        for _ in 0..settings.repeats {
            whole_table(settings, key, &source, &mut samples)?;
            one_by_one(settings, key, &mut samples)?;
        }
        poll(settings, key, &mut samples)?;
        samples.print(key);
    }
    Ok(())
}

/// Statements that touch every row, and what they leave behind.
fn whole_table(settings: &Settings, key: Key, source: &Path, samples: &mut Samples) -> Outcome<()> {
    let bare = Replica::create(settings, Side::Bare, key, "bare.db")?;
    let crsql = Replica::create(settings, Side::Crsql, key, "crsql.db")?;
    let sides = [(Side::Bare, &bare), (Side::Crsql, &crsql)];
    let rows = settings.rows as f64;
    for (side, replica) in sides {
        replica.attach(source, "source")?;
        samples.add(Step::Bulk, side, replica.time(FILL)? / rows);
        samples.add(Step::BulkSize, side, replica.size_bytes()? as f64 / rows);
    }
    samples.add(
        Step::ReadAll,
        Side::Crsql,
        time(|| read_changes(&crsql.connection, 0, settings.rows * 4))? / rows,
    );
    merge(settings, &crsql, samples)?;
    for (step, sql) in [
        (Step::UpdateAll, UPDATE_ALL),
        (Step::UpdateAllAgain, UPDATE_ALL),
        (Step::DeleteAll, DELETE_ALL),
    ] {
        for (side, replica) in sides {
            samples.add(step, side, replica.time(sql)? / rows);
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
pub fn carry_changes(settings: &Settings, origin: &Replica) -> Outcome<PathBuf> {
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
pub fn merge_carried(replica: &Replica, carrier: &Path) -> Outcome<f64> {
    replica.attach(carrier, "carrier")?;
    let duration = replica.time(&format!(
        "INSERT INTO crsql_changes({CHANGE_COLUMNS}) SELECT {CHANGE_COLUMNS} FROM carrier.changes"
    ))?;
    replica.detach("carrier")?;
    Ok(duration)
}

/// Prepared statements for one row each, first inside one transaction, then each in its own.
fn one_by_one(settings: &Settings, key: Key, samples: &mut Samples) -> Outcome<()> {
    let bare = Replica::create(settings, Side::Bare, key, "bare.db")?;
    let crsql = Replica::create(settings, Side::Crsql, key, "crsql.db")?;
    let sides = [(Side::Bare, &bare), (Side::Crsql, &crsql)];
    let rows: Vec<Row> = source::rows(0, settings.rows).collect();
    let (more, some) = transaction_rows(settings, &rows);
    for (side, replica) in sides {
        let duration = in_one_transaction(replica, || insert(replica, &rows))?;
        samples.add(Step::StatementInsert, side, duration / rows.len() as f64);
    }
    for (side, replica) in sides {
        replica.checkpoint()?;
        samples.add(
            Step::TransactionInsert,
            side,
            time(|| insert(replica, &more))? / more.len() as f64,
        );
    }
    for (side, replica) in sides {
        replica.checkpoint()?;
        let duration = time(|| update(replica, some.iter().copied()))?;
        samples.add(Step::TransactionUpdate, side, duration / some.len() as f64);
    }
    for (side, replica) in sides {
        let duration = in_one_transaction(replica, || update(replica, rows.iter()))?;
        samples.add(Step::StatementUpdate, side, duration / rows.len() as f64);
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
    replica.checkpoint()?;
    time(|| {
        replica.run("BEGIN")?;
        work()?;
        replica.run("COMMIT")
    })
}

pub fn insert(replica: &Replica, rows: &[Row]) -> Outcome<()> {
    let mut statement = replica
        .connection
        .prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)")?;
    for row in rows {
        let values = (
            replica.key.of(row),
            row.name.as_str(),
            row.quantity,
            row.price,
            row.note.as_str(),
        );
        statement.execute(values)?;
    }
    Ok(())
}

pub fn update<'row>(replica: &Replica, rows: impl Iterator<Item = &'row Row>) -> Outcome<()> {
    let mut statement = replica
        .connection
        .prepare("UPDATE t SET quantity = ? WHERE id = ?")?;
    for row in rows {
        statement.execute((row.quantity + 7, replica.key.of(row)))?;
    }
    Ok(())
}

/// Asks a large database for changes newer than the newest, against a look-up of one row in a bare one.
fn poll(settings: &Settings, key: Key, samples: &mut Samples) -> Outcome<()> {
    let source = settings.directory.join("source.db");
    source::write(&source, key, 0, settings.poll_rows)?;
    let bare = Replica::create(settings, Side::Bare, key, "bare.db")?;
    let crsql = Replica::create(settings, Side::Crsql, key, "crsql.db")?;
    for replica in [&bare, &crsql] {
        replica.attach(&source, "source")?;
        replica.run(FILL)?;
        replica.checkpoint()?;
    }
    let keys: Vec<Row> = source::rows(settings.poll_rows / 2, POINT_KEYS).collect();
    for _ in 0..settings.repeats {
        samples.add(
            Step::Poll,
            Side::Bare,
            point_selects(&bare, &keys)? / POLLS as f64,
        );
        samples.add(
            Step::Poll,
            Side::Crsql,
            empty_polls(&crsql.connection, POLLS)? / POLLS as f64,
        );
    }
    Ok(())
}

fn point_selects(replica: &Replica, keys: &[Row]) -> Outcome<f64> {
    let mut statement = replica
        .connection
        .prepare("SELECT name, quantity, price, note FROM t WHERE id = ?")?;
    time(|| {
        for row in keys.iter().cycle().take(POLLS) {
            if !statement.exists([replica.key.of(row)])? {
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
