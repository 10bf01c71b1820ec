//! Digests and reconciliation of large tables: the first digest, one of an unchanged database, one after some changes, and
//! a conversation of two databases that differ in ten rows.

use rusqlite::Connection;

use crate::Outcome;
use crate::clock::time;
use crate::memory::{self, Assignment, Task};
use crate::ratios::point_selects;
use crate::replica::{Key, Replica, Side};
use crate::report::verdict;
use crate::settings::Settings;
use crate::source::{self, Row};

/// Digests, and point SELECTs, timed together.
const ASKED: usize = 20_000;
/// Rows changed before a digest.
const CHANGES: [usize; 4] = [1, 10, 1_000, 100_000];
/// A message of a conversation is no larger.
const MESSAGE_BYTES: i64 = 1 << 20;
/// Upper bound of the digest of an unchanged database over a point SELECT: "as quick as", with room for noise.
const AS_QUICK: f64 = 1.5;
/// Upper bound of the memory of a stream of changesets, beyond the page cache.
pub const STREAM_MIB: f64 = 64.0;
/// What makes the databases differ in ten rows: four updates, one of them on both sides, four deletes, two inserts.
const LEFT_DIFFERS: &str = "
    UPDATE t SET note = 'left' WHERE quantity IN (1000, 77000);
    DELETE FROM t WHERE quantity IN (5, 50000);
    INSERT INTO t SELECT * FROM more WHERE quantity % 2 = 0;";
const RIGHT_DIFFERS: &str = "
    UPDATE t SET note = 'right' WHERE quantity IN (1000, 90000, 33333);
    DELETE FROM t WHERE quantity IN (6, 70000);
    INSERT INTO t SELECT * FROM more WHERE quantity % 2 = 1;";

/// What a conversation took.
#[derive(Clone, Copy, Default)]
pub struct Talk {
    pub messages: usize,
    pub bytes: usize,
}

pub fn digest(connection: &Connection) -> Outcome<Vec<u8>> {
    Ok(connection.query_row("SELECT crsql_digest()", [], |row| row.get(0))?)
}

/// Lets two databases talk until one has nothing more to say.
pub fn converse(left: &Connection, right: &Connection) -> Outcome<Talk> {
    let mut talk = Talk::default();
    let mut message: Option<Vec<u8>> =
        left.query_row("SELECT crsql_reconcile()", [], |row| row.get(0))?;
    let mut listeners = [right, left].into_iter().cycle();
    while let (Some(said), Some(listener)) = (message, listeners.next()) {
        talk.messages += 1;
        talk.bytes += said.len();
        message = listener.query_row(
            "SELECT crsql_reconcile(?, ?)",
            (said, MESSAGE_BYTES),
            |row| row.get(0),
        )?;
    }
    Ok(talk)
}

pub fn run(settings: &Settings) -> Outcome<()> {
    for key in Key::ALL {
        println!("| {}, {} rows | | |", key.name(), settings.large_rows);
        println!("|---|---|---|");
        measure(settings, key)?;
        println!();
    }
    Ok(())
}

fn line(title: &str, value: String, remark: String) {
    println!("| {title} | {value} | {remark} |");
}

fn milliseconds(duration: f64) -> String {
    format!("{:.2} ms", duration / 1e3)
}

fn measure(settings: &Settings, key: Key) -> Outcome<()> {
    let left = filled(settings, key, "left.db")?;
    let right = filled(settings, key, "right.db")?;
    let rows = settings.large_rows;
    let first = time(|| digest(&left.connection).map(drop))?;
    line(
        "first `crsql_digest()`",
        milliseconds(first),
        format!("{:.2} µs per row", first / rows as f64),
    );
    let stored =
        left.integer("SELECT ifnull(sum(pgsize), 0) FROM dbstat WHERE name GLOB 'crsql_digest*'")?;
    line(
        "stored for digests",
        format!("{:.1} bytes per row", stored as f64 / rows as f64),
        String::new(),
    );
    unchanged(settings, &left)?;
    for changes in CHANGES.into_iter().filter(|changes| *changes < rows) {
        left.run(&format!(
            "UPDATE t SET note = note || '.' WHERE quantity % {} = 0",
            rows / changes
        ))?;
        let duration = time(|| digest(&left.connection).map(drop))?;
        line(
            &format!("`crsql_digest()` after {changes} changed rows"),
            milliseconds(duration),
            format!("{:.1} µs per change", duration / changes as f64),
        );
    }
    let stream = memory::in_child(
        settings,
        &Assignment::databases(Task::Stream, key.shape(), &[left.path().to_owned()]),
    )?;
    let (_, verdict) = verdict(stream.process_mib(), STREAM_MIB);
    line(
        "memory of reading `crsql_changesets(0)`",
        stream.describe(),
        format!("bound {STREAM_MIB} MiB: {verdict}"),
    );
    talks(settings, left, right)
}

fn filled(settings: &Settings, key: Key, name: &str) -> Outcome<Replica> {
    let path = settings.directory.join("source.db");
    source::write(&path, key, 0, settings.large_rows)?;
    let replica = Replica::create(settings, Side::Crsql, key, name)?;
    replica.attach(&path, "source")?;
    replica.run(key.fill())?;
    replica.detach("source")?;
    replica.checkpoint()?;
    Ok(replica)
}

fn unchanged(settings: &Settings, replica: &Replica) -> Outcome<()> {
    let keys: Vec<Row> = source::rows(settings.large_rows / 2, 64).collect();
    let mut best = [f64::INFINITY; 2];
    for _ in 0..settings.repeats {
        let mut statement = replica.connection.prepare("SELECT crsql_digest()")?;
        let asked = time(|| {
            for _ in 0..ASKED {
                statement.query_row([], |row| row.get_ref(0).map(drop))?;
            }
            Ok(())
        })?;
        let point = point_selects(replica, &keys, ASKED)?;
        best = [best[0].min(asked), best[1].min(point)];
    }
    let [asked, point] = best.map(|duration| duration / ASKED as f64);
    let (bound, verdict) = verdict(asked / point, AS_QUICK);
    line(
        "`crsql_digest()` of the unchanged database",
        format!("{asked:.2} µs"),
        format!(
            "{:.2}x a point `SELECT` of {point:.2} µs (bound {bound}): {verdict}",
            asked / point
        ),
    );
    Ok(())
}

/// Conversations about many differences, about ten, and about none.
fn talks(settings: &Settings, left: Replica, right: Replica) -> Outcome<()> {
    let many = CHANGES
        .into_iter()
        .rfind(|changes| *changes < settings.large_rows)
        .unwrap_or_default();
    talk(
        &format!("`crsql_reconcile`, {many} rows differ"),
        &left,
        &right,
    )?;
    let more = settings.directory.join("source.db");
    source::write(&more, left.key, settings.large_rows, 2)?;
    for (replica, sql) in [(&left, LEFT_DIFFERS), (&right, RIGHT_DIFFERS)] {
        replica.attach(&more, "source")?;
        replica.run(
            &left
                .key
                .fill()
                .replacen("INSERT INTO t", "CREATE TEMP TABLE more AS", 1),
        )?;
        replica.run(sql)?;
        replica.detach("source")?;
        digest(&replica.connection)?;
        replica.checkpoint()?;
    }
    let paths = [left.path().to_owned(), right.path().to_owned()];
    let copies = paths.clone().map(|path| path.with_extension("copy"));
    for (path, copy) in paths.iter().zip(&copies) {
        std::fs::copy(path, copy)?;
    }
    talk("`crsql_reconcile`, ten rows differ", &left, &right)?;
    talk("`crsql_reconcile`, equal", &left, &right)?;
    let key = left.key;
    drop((left, right));
    let peak = memory::in_child(
        settings,
        &Assignment::databases(Task::Converse, key.shape(), &copies),
    )?;
    line(
        "memory of both sides, ten rows differ",
        peak.describe(),
        String::new(),
    );
    Ok(())
}

fn talk(title: &str, left: &Replica, right: &Replica) -> Outcome<()> {
    let mut talk = Talk::default();
    let duration = time(|| {
        talk = converse(&left.connection, &right.connection)?;
        Ok(())
    })?;
    if digest(&left.connection)? != digest(&right.connection)? {
        return Err("the databases differ after their conversation".into());
    }
    line(
        title,
        milliseconds(duration),
        format!("{} messages, {} bytes", talk.messages, talk.bytes),
    );
    Ok(())
}
