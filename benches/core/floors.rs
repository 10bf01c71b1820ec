//! What the parts of a change-tracking design cost in plain SQL, without the extension: the floor below its ratios.
//!
//! Each ladder starts at the bare statement and adds one part a step. A built-in function stands for the extension's,
//! a fixed value for what it would compute; keys are stored as they are.

use std::path::{Path, PathBuf};

use rusqlite::Statement;
use rusqlite::types::ToSql;

use crate::Outcome;
use crate::clock::time;
use crate::ratios::{DELETE_ALL, UPDATE_ALL, in_one_transaction, insert, transaction_rows, update};
use crate::replica::{CHANGE_COLUMNS, Key, Replica, Side};
use crate::settings::Settings;
use crate::source::{self, Row};

/// A log and records of the shape that the extension writes.
const STORAGE: &str = "
    CREATE TABLE log(db_version INTEGER, seq INTEGER, site INTEGER, tbl INTEGER, key,
        PRIMARY KEY (db_version, seq)) WITHOUT ROWID;
    CREATE TABLE columns(n INTEGER PRIMARY KEY, cid TEXT);
    INSERT INTO columns VALUES (0, 'name'), (1, 'quantity'), (2, 'price'), (3, 'note');";

const OLD_AND_NEW: &str = "OLD.id, NEW.id, OLD.name, NEW.name, OLD.quantity, NEW.quantity, \
                           OLD.price, NEW.price, OLD.note, NEW.note";
/// A record of one cell: 20 bytes, about what a version, a position and a column take.
const WRITE_RECORD: &str =
    "INSERT INTO records VALUES (NEW.id, 1, x'0102030405060708090a0b0c0d0e0f1011121314')
    ON CONFLICT DO UPDATE SET cells = excluded.cells;";
const WRITE_LOG: &str = "INSERT INTO log VALUES (1, NEW.quantity * 4, 0, 1, NEW.id);";

/// One step: its name, and what is added to the empty database before the timed statement.
struct Rung {
    name: &'static str,
    triggers: String,
}

fn rung(name: &'static str, triggers: impl Into<String>) -> Rung {
    Rung {
        name,
        triggers: triggers.into(),
    }
}

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::SINGLE {
        let source = settings.directory.join("source.db");
        source::write(&source, key, 0, settings.rows)?;
        println!("| floors, {} | µs per row | to bare |", key.name());
        println!("|---|---|---|");
        let bulk = ladder(settings, key, &source, key.fill(), &insert_rungs())?;
        ladder(settings, key, &source, UPDATE_ALL, &update_rungs())?;
        ladder(settings, key, &source, DELETE_ALL, &delete_rungs())?;
        statements(settings, key, &source)?;
        transactions(settings, key, &source)?;
        exchange(settings, key, &source, bulk)?;
        println!();
    }
    Ok(())
}

fn insert_rungs() -> Vec<Rung> {
    let before =
        "CREATE TRIGGER b BEFORE INSERT ON t WHEN EXISTS (SELECT 1 FROM t WHERE id = NEW.id)
                  BEGIN SELECT max(NEW.id, NEW.quantity); END;";
    let after = |condition: &str, work: &str| {
        format!("CREATE TRIGGER a AFTER INSERT ON t {condition} BEGIN {work} END;")
    };
    let call = "SELECT max(NEW.id, NEW.quantity);";
    let probe = "WHEN NOT EXISTS (SELECT 1 FROM records WHERE key = NEW.id)";
    vec![
        rung("bulk `INSERT ... SELECT`, bare", ""),
        rung("+ AFTER trigger that calls a function", after("", call)),
        rung(
            "+ BEFORE trigger WHEN EXISTS the key",
            format!("{before}{}", after("", call)),
        ),
        rung(
            "+ probe of the records",
            format!("{before}{}", after(probe, call)),
        ),
        rung(
            "+ log append",
            format!("{before}{}", after(probe, &format!("{call}{WRITE_LOG}"))),
        ),
    ]
}

fn update_rungs() -> Vec<Rung> {
    let after = |work: &str| format!("CREATE TRIGGER a AFTER UPDATE ON t BEGIN {work} END;");
    let call = format!("SELECT max({OLD_AND_NEW});");
    vec![
        rung("`UPDATE` of one column of every row, bare", ""),
        rung("+ AFTER trigger that calls a function", after(&call)),
        rung("+ record write", after(&format!("{call}{WRITE_RECORD}"))),
        rung(
            "+ log append",
            after(&format!("{call}{WRITE_RECORD}{WRITE_LOG}")),
        ),
    ]
}

fn delete_rungs() -> Vec<Rung> {
    let after = |work: &str| {
        format!(
            "CREATE TRIGGER a AFTER DELETE ON t BEGIN {} END;",
            work.replace("NEW.", "OLD.")
        )
    };
    let call = "SELECT max(OLD.id, OLD.quantity);";
    vec![
        rung("`DELETE` of every row, bare", ""),
        rung("+ AFTER trigger that calls a function", after(call)),
        rung("+ record write", after(&format!("{call}{WRITE_RECORD}"))),
        rung(
            "+ log append",
            after(&format!("{call}{WRITE_RECORD}{WRITE_LOG}")),
        ),
    ]
}

/// A bare database with the parts that a ladder adds.
fn prepare(settings: &Settings, key: Key, source: &Path) -> Outcome<Replica> {
    let replica = Replica::create(settings, Side::Bare, key, "floor.db")?;
    replica.attach(source, "source")?;
    replica.run(STORAGE)?;
    let shape = match key {
        Key::Integer => "key INTEGER PRIMARY KEY, cl INTEGER, cells BLOB)",
        Key::Uuid | Key::Composite => "key TEXT PRIMARY KEY, cl INTEGER, cells BLOB) WITHOUT ROWID",
    };
    replica.run(&format!("CREATE TABLE records({shape}"))?;
    Ok(replica)
}

/// Times a statement at each step, prints all, and returns the bare duration in µs per row.
fn ladder(settings: &Settings, key: Key, source: &Path, sql: &str, rungs: &[Rung]) -> Outcome<f64> {
    let mut best = vec![f64::INFINITY; rungs.len()];
    for _ in 0..settings.repeats {
        for (rung, best) in rungs.iter().zip(&mut best) {
            let replica = prepare(settings, key, source)?;
            if sql != key.fill() {
                replica.run(key.fill())?;
            }
            replica.run(&rung.triggers)?;
            *best = best.min(replica.time(sql)? / settings.rows as f64);
        }
    }
    let bare = best.first().copied().unwrap_or(f64::NAN);
    for (rung, best) in rungs.iter().zip(&best) {
        print(rung.name, *best, bare);
    }
    Ok(bare)
}

fn print(name: &str, value: f64, bare: f64) {
    println!("| {name} | {value:.2} | {:.2}x |", value / bare);
}

/// How prepared statements for one row each are grouped.
#[derive(Clone, Copy)]
enum Transactions {
    One,
    Each,
}

/// One row per statement in one transaction: a trigger that calls a function makes SQLite open a statement journal
/// for each, because the function may fail.
fn statements(settings: &Settings, key: Key, source: &Path) -> Outcome<()> {
    let call = "SELECT max(NEW.id, NEW.quantity);";
    let after = format!(
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN {call} END;
         CREATE TRIGGER u AFTER UPDATE ON t BEGIN {call} END;"
    );
    let before = format!(
        "CREATE TRIGGER b BEFORE INSERT ON t WHEN EXISTS (SELECT 1 FROM t WHERE id = NEW.id) BEGIN {call} END;"
    );
    let rungs = [
        rung("bare", ""),
        rung("+ AFTER trigger that calls a function", after.clone()),
        rung(
            "+ BEFORE INSERT trigger WHEN EXISTS the key",
            format!("{after}{before}"),
        ),
    ];
    row_ladder(settings, key, source, Transactions::One, &rungs)
}

/// One-row transactions: what counts is the number of pages that each writes.
fn transactions(settings: &Settings, key: Key, source: &Path) -> Outcome<()> {
    let append = "INSERT INTO log VALUES ((SELECT ifnull(max(db_version), 0) + 1 FROM log), 0, 0, 1, NEW.id);";
    let triggers = |record: &str| {
        format!(
            "CREATE TRIGGER a AFTER INSERT ON t BEGIN {append} END;
             CREATE TRIGGER u AFTER UPDATE ON t BEGIN {record} {append} END;"
        )
    };
    let rungs = [
        rung("bare", ""),
        rung("+ log append", triggers("")),
        rung("+ record write of an UPDATE", triggers(WRITE_RECORD)),
    ];
    row_ladder(settings, key, source, Transactions::Each, &rungs)
}

/// Times one INSERT and one UPDATE per row at each step: of all rows from an empty table on in one transaction, of some
/// on a filled table in one transaction each.
fn row_ladder(
    settings: &Settings,
    key: Key,
    source: &Path,
    group: Transactions,
    rungs: &[Rung],
) -> Outcome<()> {
    let rows: Vec<Row> = source::rows(0, settings.rows).collect();
    let (more, some) = transaction_rows(settings, &rows);
    let (new, old) = match group {
        Transactions::One => (&rows, rows.iter().collect()),
        Transactions::Each => (&more, some),
    };
    let mut best = vec![[f64::INFINITY; 2]; rungs.len()];
    for _ in 0..settings.repeats {
        for (rung, best) in rungs.iter().zip(&mut best) {
            let replica = prepare(settings, key, source)?;
            if let Transactions::Each = group {
                replica.run(key.fill())?;
            }
            replica.run(&rung.triggers)?;
            let durations = [
                grouped(&replica, group, || insert(&replica, new))? / new.len() as f64,
                grouped(&replica, group, || update(&replica, old.iter().copied()))?
                    / old.len() as f64,
            ];
            for (best, duration) in best.iter_mut().zip(durations) {
                *best = best.min(duration);
            }
        }
    }
    let title = match group {
        Transactions::One => "one row per statement in a transaction",
        Transactions::Each => "one-row transactions",
    };
    for (index, statement) in ["INSERT", "UPDATE"].iter().enumerate() {
        let bare = best.first().map_or(f64::NAN, |durations| durations[index]);
        for (rung, durations) in rungs.iter().zip(&best) {
            print(
                &format!("{title}, `{statement}`, {}", rung.name),
                durations[index],
                bare,
            );
        }
    }
    Ok(())
}

fn grouped(
    replica: &Replica,
    group: Transactions,
    work: impl FnOnce() -> Outcome<()>,
) -> Outcome<f64> {
    match group {
        Transactions::One => in_one_transaction(replica, work),
        Transactions::Each => {
            replica.checkpoint()?;
            time(work)
        }
    }
}

/// Reading and merging by plain SQL, one change per cell, compared with the bare bulk insert.
fn exchange(settings: &Settings, key: Key, source: &Path, bulk: f64) -> Outcome<()> {
    let carrier = settings.directory.join("changes.db");
    let rows: Vec<Row> = source::rows(0, settings.rows).collect();
    let mut best = [f64::INFINITY; 4];
    for _ in 0..settings.repeats {
        let durations = [
            read(settings, key, source, &carrier)?,
            scan_carrier(settings, key, &carrier)?,
            insert_whole(settings, key, &rows)?,
            insert_by_cell(settings, key, &rows)?,
        ];
        for (best, duration) in best.iter_mut().zip(durations) {
            *best = best.min(duration / settings.rows as f64);
        }
    }
    let names = [
        "reading 4 changes a row: log JOIN table, to the bare bulk insert",
        "merging: scan of 4 plain change rows, to the bare bulk insert",
        "merging: one prepared `INSERT` a row, to the bare bulk insert",
        "merging: `INSERT` of one cell, three `UPDATE`s of one, to the bare bulk insert",
    ];
    for (name, best) in names.iter().zip(best) {
        print(name, best, bulk);
    }
    Ok(())
}

fn read(settings: &Settings, key: Key, source: &Path, carrier: &PathBuf) -> Outcome<f64> {
    let replica = prepare(settings, key, source)?;
    replica.run(key.fill())?;
    replica.run("INSERT INTO log SELECT 1, number * 4, 0, 1, id FROM source.rows")?;
    replica.checkpoint()?;
    let select = "SELECT 't', key, cid, CASE n WHEN 0 THEN name WHEN 1 THEN quantity WHEN 2 THEN price ELSE note END,
                         1, db_version, NULL, 1, seq + n
                  FROM log CROSS JOIN t ON t.id = log.key CROSS JOIN columns";
    let mut statement = replica.connection.prepare(select)?;
    let duration = time(|| {
        let mut changes = statement.query([])?;
        while let Some(change) = changes.next()? {
            for column in 0..9 {
                std::hint::black_box(change.get_ref(column)?);
            }
        }
        Ok(())
    })?;
    if carrier.exists() {
        std::fs::remove_file(carrier)?;
    }
    replica.attach(carrier, "carrier")?;
    replica.run(&format!(
        "CREATE TABLE carrier.changes({CHANGE_COLUMNS}); INSERT INTO carrier.changes {select}"
    ))?;
    Ok(duration)
}

fn scan_carrier(settings: &Settings, key: Key, carrier: &Path) -> Outcome<f64> {
    let replica = Replica::create(settings, Side::Bare, key, "floor.db")?;
    replica.attach(carrier, "carrier")?;
    // max() of all columns makes SQLite decode each of them.
    replica.time(
        "SELECT count(max(\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq)) FROM carrier.changes",
    )
}

fn insert_whole(settings: &Settings, key: Key, rows: &[Row]) -> Outcome<f64> {
    let replica = Replica::create(settings, Side::Bare, key, "floor.db")?;
    in_one_transaction(&replica, || insert(&replica, rows))
}

fn insert_by_cell(settings: &Settings, key: Key, rows: &[Row]) -> Outcome<f64> {
    let replica = Replica::create(settings, Side::Bare, key, "floor.db")?;
    let connection = &replica.connection;
    let mut insert = connection.prepare("INSERT INTO t(name, id) VALUES (?1, ?2)")?;
    let mut quantity = connection.prepare("UPDATE t SET quantity = ?1 WHERE id = ?2")?;
    let mut price = connection.prepare("UPDATE t SET price = ?1 WHERE id = ?2")?;
    let mut note = connection.prepare("UPDATE t SET note = ?1 WHERE id = ?2")?;
    in_one_transaction(&replica, || {
        for row in rows {
            set(&mut insert, key, row, row.name.as_str())?;
            set(&mut quantity, key, row, row.quantity)?;
            set(&mut price, key, row, row.price)?;
            set(&mut note, key, row, row.note.as_str())?;
        }
        Ok(())
    })
}

/// Runs a statement for one cell: its value and the key of its row.
fn set(statement: &mut Statement<'_>, key: Key, row: &Row, value: impl ToSql) -> Outcome<()> {
    statement.raw_bind_parameter(1, value)?;
    key.bind(statement, 2, row)?;
    statement.raw_execute()?;
    Ok(())
}
