//! What is applied in slices: changesets of different kinds, and what the receiver has before.

use rusqlite::Connection;

use crate::{Outcome, open};

/// Rows of each transaction of the origin, where nothing else is said.
const ROWS: i64 = 100;

/// The table of most workloads.
const INTEGER_KEY: &[&str] = &[
    "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT);
     SELECT crsql_as_crr('t')",
];
pub const UUID_KEY: &[&str] = &[
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, name TEXT, quantity INTEGER, price REAL, note TEXT);
     SELECT crsql_as_crr('t')",
];

/// Beside a cheap table one whose rows cost many times as much.
const DEAR_TOO: &[&str] = &[
    INTEGER_KEY[0],
    "CREATE TABLE dear(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c TEXT, d TEXT, e BLOB);
     CREATE INDEX dear_a ON dear(a); CREATE INDEX dear_b ON dear(b); CREATE INDEX dear_c ON dear(c);
     CREATE INDEX dear_d ON dear(d); CREATE INDEX dear_ab ON dear(a, b); CREATE INDEX dear_cd ON dear(c, d);
     SELECT crsql_as_crr('dear')",
];

/// How the receiver keeps its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    Wal,
    /// With a page cache of 2 MB and none of the system's
    WalCold,
    /// A rollback journal, synced in each commit
    Rollback,
}

/// Statements that make the tables.
type Schema = &'static [&'static str];

/// Writes to the origin; `rows` is the size of the workload.
type Write = fn(origin: &Connection, rows: i64) -> Outcome<()>;

/// Changes that are measured.
pub struct Workload {
    pub name: &'static str,
    pub schema: Schema,
    pub files: Files,
    /// What the receiver has, and what is applied then
    before: Write,
    changes: Write,
}

/// All of them.
pub const WORKLOADS: [Workload; 13] = [
    new("new rows, integer key", INTEGER_KEY, insert_integer),
    new("new rows, uuid key", UUID_KEY, insert_uuid),
    later(
        "updated rows, integer key",
        INTEGER_KEY,
        insert_integer,
        update,
    ),
    later("updated rows, uuid key", UUID_KEY, insert_uuid, update),
    later(
        "deleted rows, integer key",
        INTEGER_KEY,
        insert_integer,
        delete,
    ),
    later("deleted rows, uuid key", UUID_KEY, insert_uuid, delete),
    Workload {
        files: Files::WalCold,
        ..later(
            "new rows among five times as many, cold",
            UUID_KEY,
            insert_five_times,
            insert_uuid,
        )
    },
    Workload {
        files: Files::WalCold,
        ..later(
            "updated rows among five times as many, cold",
            UUID_KEY,
            insert_five_times,
            update_scattered,
        )
    },
    new("cheap rows, now and then dear ones", DEAR_TOO, jump),
    new("a value of 2 MB now and then", INTEGER_KEY, insert_big),
    new("new rows, 2,000 a transaction", UUID_KEY, insert_by_2000),
    later(
        "updated rows, 500 a transaction",
        UUID_KEY,
        insert_uuid,
        update_by_500,
    ),
    Workload {
        files: Files::Rollback,
        ..new("new rows, rollback journal", UUID_KEY, insert_uuid)
    },
];

const fn new(name: &'static str, schema: Schema, changes: Write) -> Workload {
    later(name, schema, |_, _| Ok(()), changes)
}

const fn later(name: &'static str, schema: Schema, before: Write, changes: Write) -> Workload {
    Workload {
        name,
        schema,
        files: Files::Wal,
        before,
        changes,
    }
}

/// The changesets of a workload: what the receiver has before, and what is measured.
pub struct Changesets {
    pub before: Vec<u8>,
    pub changes: Vec<u8>,
}

impl Workload {
    /// Makes its changesets.
    pub fn changesets(&self, rows: i64) -> Outcome<Changesets> {
        let origin = open(None, self.schema)?;
        let since = "SELECT crsql_changeset(?1)";
        (self.before)(&origin, rows)?;
        let before = origin.query_row(since, [0], |row| row.get(0))?;
        let version: i64 = origin.query_row("SELECT crsql_db_version()", [], |row| row.get(0))?;
        (self.changes)(&origin, rows)?;
        let changes = origin.query_row(since, [version], |row| row.get(0))?;
        Ok(Changesets { before, changes })
    }
}

/// Runs a statement for each transaction, with the numbers of its rows: from ?1, less than ?2.
fn by_transactions(origin: &Connection, rows: i64, each: i64, sql: &str) -> Outcome<()> {
    let mut statement = origin.prepare(sql)?;
    for from in (0..rows).step_by(each as usize) {
        statement.execute([from, (from + each).min(rows)])?;
    }
    Ok(())
}

const NUMBERS: &str =
    "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)";
const VALUES: &str = "'name of ' || i, i, i / 7.0, 'some note ' || i FROM n";

fn insert_integer(origin: &Connection, rows: i64) -> Outcome<()> {
    let sql = format!("{NUMBERS} INSERT INTO t SELECT i + 1, {VALUES}");
    by_transactions(origin, rows, ROWS, &sql)
}

fn insert_uuid_by(origin: &Connection, rows: i64, each: i64) -> Outcome<()> {
    let sql = format!("{NUMBERS} INSERT INTO t SELECT lower(hex(randomblob(16))), {VALUES}");
    by_transactions(origin, rows, each, &sql)
}

fn insert_uuid(origin: &Connection, rows: i64) -> Outcome<()> {
    insert_uuid_by(origin, rows, ROWS)
}

fn insert_by_2000(origin: &Connection, rows: i64) -> Outcome<()> {
    insert_uuid_by(origin, rows, 2000)
}

fn insert_five_times(origin: &Connection, rows: i64) -> Outcome<()> {
    insert_uuid_by(origin, 5 * rows, 10_000)
}

fn update_by(origin: &Connection, rows: i64, each: i64) -> Outcome<()> {
    let sql = "UPDATE t SET quantity = -quantity, price = 1 WHERE rowid > ?1 AND rowid <= ?2";
    by_transactions(origin, rows, each, sql)
}

fn update(origin: &Connection, rows: i64) -> Outcome<()> {
    update_by(origin, rows, ROWS)
}

fn update_by_500(origin: &Connection, rows: i64) -> Outcome<()> {
    update_by(origin, rows, 500)
}

fn update_scattered(origin: &Connection, rows: i64) -> Outcome<()> {
    let sql = format!(
        "{NUMBERS} UPDATE t SET quantity = -quantity, price = 1
         WHERE rowid IN (SELECT i * 7919 % ({rows} * 5) + 1 FROM n)"
    );
    by_transactions(origin, rows, ROWS, &sql)
}

fn delete(origin: &Connection, rows: i64) -> Outcome<()> {
    let sql = "DELETE FROM t WHERE rowid > ?1 AND rowid <= ?2";
    by_transactions(origin, rows, ROWS, sql)
}

/// 50 transactions of a cheap table, one of a dear one, and so on.
fn jump(origin: &Connection, rows: i64) -> Outcome<()> {
    let cheap = format!("{NUMBERS} INSERT INTO t SELECT i + 1, {VALUES}");
    let dear = format!(
        "{NUMBERS} INSERT INTO dear SELECT lower(hex(randomblob(16))), hex(randomblob(20)), hex(randomblob(20)),
         hex(randomblob(20)), hex(randomblob(20)), randomblob(2000) FROM n"
    );
    for from in (0..rows).step_by(50 * ROWS as usize) {
        for at in (from..from + 50 * ROWS).step_by(ROWS as usize) {
            origin.execute(&cheap, [at, at + ROWS])?;
        }
        origin.execute(&dear, [0, ROWS])?;
    }
    Ok(())
}

/// 50 transactions of small rows, one with a large one, and so on.
fn insert_big(origin: &Connection, rows: i64) -> Outcome<()> {
    let small = format!("{NUMBERS} INSERT INTO t SELECT i + 1, {VALUES}");
    for from in (0..rows).step_by(50 * ROWS as usize) {
        for at in (from..from + 50 * ROWS).step_by(ROWS as usize) {
            origin.execute(&small, [at, at + ROWS])?;
        }
        let big = "INSERT INTO t VALUES (?1, NULL, NULL, NULL, randomblob(2000000))";
        origin.execute(big, [1_000_000_000 + from])?;
    }
    Ok(())
}
