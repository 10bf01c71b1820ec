//! What the gate counts: one workload per path that can become slow, so small that valgrind runs all in a minute.

use std::path::PathBuf;

use rusqlite::Connection;

use crate::Outcome;
use crate::digests::{converse, digest};
use crate::ratios::{
    DELETE_ALL, UPDATE_ALL, carry_changes, empty_polls, insert, read_changes, update,
};
use crate::replica::{CHANGE_COLUMNS, Key, Replica, Side, load};
use crate::settings::Settings;
use crate::source::{self, Row};

/// Rows of the filled table.
const ROWS: usize = 1_000;
/// Rows of the workloads of one statement or transaction per row.
const SOME: usize = 200;
/// How often the database is opened.
const OPENED: usize = 10;

/// One workload with one kind of key.
pub struct Workload {
    step: Step,
    key: Key,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Bulk,
    StatementInsert,
    StatementUpdate,
    TransactionInsert,
    TransactionUpdate,
    UpdateAll,
    UpdateAllAgain,
    DeleteAll,
    ReadAll,
    Poll,
    Merge,
    Make,
    Apply,
    ApplyAgain,
    Digest,
    DigestAfterChanges,
    DigestUnchanged,
    Reconcile,
}

const fn of(step: Step, key: Key) -> Workload {
    Workload { step, key }
}

pub const WORKLOADS: [Workload; 46] = [
    of(Step::Open, Key::Integer),
    of(Step::Bulk, Key::Integer),
    of(Step::Bulk, Key::Uuid),
    of(Step::Bulk, Key::Composite),
    of(Step::StatementInsert, Key::Integer),
    of(Step::StatementInsert, Key::Uuid),
    of(Step::StatementUpdate, Key::Integer),
    of(Step::StatementUpdate, Key::Uuid),
    of(Step::TransactionInsert, Key::Integer),
    of(Step::TransactionInsert, Key::Uuid),
    of(Step::TransactionUpdate, Key::Integer),
    of(Step::TransactionUpdate, Key::Uuid),
    of(Step::UpdateAll, Key::Integer),
    of(Step::UpdateAll, Key::Uuid),
    of(Step::UpdateAll, Key::Composite),
    of(Step::UpdateAllAgain, Key::Integer),
    of(Step::UpdateAllAgain, Key::Uuid),
    of(Step::UpdateAllAgain, Key::Composite),
    of(Step::DeleteAll, Key::Integer),
    of(Step::DeleteAll, Key::Uuid),
    of(Step::DeleteAll, Key::Composite),
    of(Step::ReadAll, Key::Integer),
    of(Step::ReadAll, Key::Uuid),
    of(Step::ReadAll, Key::Composite),
    of(Step::Poll, Key::Integer),
    of(Step::Merge, Key::Integer),
    of(Step::Merge, Key::Uuid),
    of(Step::Merge, Key::Composite),
    of(Step::Make, Key::Integer),
    of(Step::Make, Key::Uuid),
    of(Step::Make, Key::Composite),
    of(Step::Apply, Key::Integer),
    of(Step::Apply, Key::Uuid),
    of(Step::Apply, Key::Composite),
    of(Step::ApplyAgain, Key::Integer),
    of(Step::ApplyAgain, Key::Uuid),
    of(Step::ApplyAgain, Key::Composite),
    of(Step::Digest, Key::Integer),
    of(Step::Digest, Key::Uuid),
    of(Step::Digest, Key::Composite),
    of(Step::DigestAfterChanges, Key::Integer),
    of(Step::DigestAfterChanges, Key::Uuid),
    of(Step::DigestUnchanged, Key::Integer),
    of(Step::Reconcile, Key::Integer),
    of(Step::Reconcile, Key::Uuid),
    of(Step::Reconcile, Key::Composite),
];

/// The counted part, ready to run once.
type Work = Box<dyn FnMut() -> Outcome<()>>;

impl Workload {
    /// What the figures call it.
    pub fn title(&self) -> String {
        let step = match self.step {
            Step::Open => "open a database",
            Step::Bulk => "bulk INSERT",
            Step::StatementInsert => "INSERT per row",
            Step::StatementUpdate => "UPDATE per row",
            Step::TransactionInsert => "one-row transactions, INSERT",
            Step::TransactionUpdate => "one-row transactions, UPDATE",
            Step::UpdateAll => "UPDATE every row, first",
            Step::UpdateAllAgain => "UPDATE every row, again",
            Step::DeleteAll => "DELETE every row",
            Step::ReadAll => "read crsql_changes",
            Step::Poll => "empty poll",
            Step::Merge => "INSERT INTO crsql_changes",
            Step::Make => "crsql_changeset",
            Step::Apply => "crsql_apply, new rows",
            Step::ApplyAgain => "crsql_apply, known rows",
            Step::Digest => "crsql_digest, first",
            Step::DigestAfterChanges => "crsql_digest, ten rows changed",
            Step::DigestUnchanged => "crsql_digest, unchanged",
            Step::Reconcile => "crsql_reconcile, three rows differ",
        };
        format!("{step}, {}", self.key.name())
    }

    /// Sets everything up that is not counted.
    pub fn prepare(&self, settings: &Settings) -> Outcome<Work> {
        let key = self.key;
        let replica = Replica::create(settings, Side::Crsql, key, "replica.db")?;
        let path = settings.directory.join("source.db");
        source::write(&path, key, 0, ROWS)?;
        replica.attach(&path, "source")?;
        if self.starts_filled() {
            replica.run(key.fill())?;
        }
        let connection = &replica.connection;
        Ok(match self.step {
            Step::Open => open(settings, replica)?,
            Step::Bulk => statement(replica, key.fill()),
            Step::StatementInsert | Step::TransactionInsert => self.one_by_one(replica, insert),
            Step::StatementUpdate | Step::TransactionUpdate => {
                self.one_by_one(replica, |replica, rows| update(replica, rows.iter()))
            }
            Step::UpdateAll => statement(replica, UPDATE_ALL),
            Step::UpdateAllAgain => {
                replica.run(UPDATE_ALL)?;
                statement(replica, UPDATE_ALL)
            }
            Step::DeleteAll => statement(replica, DELETE_ALL),
            Step::ReadAll => Box::new(move || read_changes(&replica.connection, 0, ROWS * 4)),
            Step::Poll => Box::new(move || empty_polls(&replica.connection, SOME).map(drop)),
            Step::Merge => merge(settings, &replica)?,
            Step::Make => query(replica, "SELECT crsql_changeset(0)"),
            Step::Apply | Step::ApplyAgain => self.apply(settings, connection)?,
            Step::Digest => query(replica, "SELECT crsql_digest()"),
            Step::DigestAfterChanges => {
                digest(connection)?;
                replica.run("UPDATE t SET note = 'other' WHERE quantity % 100 = 7")?;
                query(replica, "SELECT crsql_digest()")
            }
            Step::DigestUnchanged => {
                digest(connection)?;
                Box::new(move || (0..SOME).try_for_each(|_| digest(&replica.connection).map(drop)))
            }
            Step::Reconcile => reconcile(settings, replica)?,
        })
    }

    fn starts_filled(&self) -> bool {
        !matches!(
            self.step,
            Step::Bulk | Step::StatementInsert | Step::TransactionInsert
        )
    }

    /// A statement for each of some rows, in one transaction or in one each.
    fn one_by_one(
        &self,
        replica: Replica,
        work: impl Fn(&Replica, &[Row]) -> Outcome<()> + 'static,
    ) -> Work {
        let rows: Vec<Row> = source::rows(0, SOME).collect();
        let in_one = matches!(self.step, Step::StatementInsert | Step::StatementUpdate);
        Box::new(move || {
            if in_one {
                replica.run("BEGIN")?;
            }
            work(&replica, &rows)?;
            if in_one {
                replica.run("COMMIT")?;
            }
            Ok(())
        })
    }

    fn apply(&self, settings: &Settings, origin: &Connection) -> Outcome<Work> {
        let data: Vec<u8> = origin.query_row("SELECT crsql_changeset(0)", [], |row| row.get(0))?;
        let receiver = Replica::create(settings, Side::Crsql, self.key, "receiver.db")?;
        let work = move || {
            receiver
                .connection
                .query_row("SELECT crsql_apply(?)", [&data], |_| Ok(()))?;
            Ok(())
        };
        if self.step == Step::ApplyAgain {
            work()?;
        }
        Ok(Box::new(work))
    }
}

fn statement(replica: Replica, sql: &'static str) -> Work {
    Box::new(move || replica.run(sql))
}

fn query(replica: Replica, sql: &'static str) -> Work {
    Box::new(move || Ok(replica.connection.query_row(sql, [], |_| Ok(()))?))
}

/// Opens a database of one replicated table and reads its version, some times.
fn open(settings: &Settings, replica: Replica) -> Outcome<Work> {
    let path: PathBuf = replica.path().to_owned();
    replica.checkpoint()?;
    drop(replica);
    let extension = settings.extension.clone();
    // Keeps the shared object in the process: what the system's loader does varies from run to run.
    let other = Connection::open_in_memory()?;
    load(&other, &extension)?;
    Ok(Box::new(move || {
        let _still_loaded = &other;
        for _ in 0..OPENED {
            let connection = Connection::open(&path)?;
            load(&connection, &extension)?;
            connection.query_row("SELECT crsql_db_version()", [], |_| Ok(()))?;
        }
        Ok(())
    }))
}

fn merge(settings: &Settings, origin: &Replica) -> Outcome<Work> {
    let carrier = carry_changes(settings, origin)?;
    let receiver = Replica::create(settings, Side::Crsql, origin.key, "receiver.db")?;
    receiver.attach(&carrier, "carrier")?;
    Ok(Box::new(move || {
        receiver.run(&format!(
            "INSERT INTO crsql_changes({CHANGE_COLUMNS}) SELECT {CHANGE_COLUMNS} FROM carrier.changes"
        ))
    }))
}

/// Two replicas of the same rows, each with changes of its own.
fn reconcile(settings: &Settings, left: Replica) -> Outcome<Work> {
    let data: Vec<u8> = left
        .connection
        .query_row("SELECT crsql_changeset(0)", [], |row| row.get(0))?;
    let right = Replica::create(settings, Side::Crsql, left.key, "receiver.db")?;
    right
        .connection
        .query_row("SELECT crsql_apply(?)", [&data], |_| Ok(()))?;
    left.run("UPDATE t SET note = 'left' WHERE quantity IN (100, 500)")?;
    right.run("DELETE FROM t WHERE quantity = 900")?;
    digest(&left.connection)?;
    digest(&right.connection)?;
    Ok(Box::new(move || {
        converse(&left.connection, &right.connection).map(drop)
    }))
}
