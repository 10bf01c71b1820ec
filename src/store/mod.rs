//! The internal tables: reading and writing them, and nothing about why.

pub mod affinity;
pub mod bootstrap;
pub mod digest;
pub mod foreign;
pub mod log;
pub mod own_transaction;
pub mod row_clock;
pub mod row_finder;
pub mod site;

use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;
use crate::sql;
use crate::sqlite::statement::StatementCache;
use crate::sqlite::{Connection, Statement};
use log::Appended;
use std::cell::{Cell, RefCell};

/// The internal tables of one connection.
#[derive(Debug)]
pub struct Store {
    /// The connection
    pub connection: Connection,
    /// What the open transaction put into the log
    pub appended: Cell<Appended>,
    statements: StatementCache,
    schema_probe: RefCell<Option<Statement>>,
    /// Whether the work runs inside a statement of the application that SQLite undoes whole
    is_within_statement: Cell<bool>,
}

/// The slots of the statement cache.
#[derive(Debug, Clone, Copy)]
pub enum Slot {
    LogAppend,
    LogRemove,
    LogRemoveRun,
    LogCovering,
    LogVersion,
    LogLast,
    LogScan,
    LogScanWithin,
    LogScanFrom,
    LogByKey,
    LogByRun,
    SiteByOrdinal,
    SiteById,
    SiteAdd,
    MasterGet,
    SchemaVersion,
    TempVersion,
    CastReal,
    CastText,
    Enlist,
    ParkedAny,
    LogScanAfter,
    DigestState,
    DigestTouch,
    DigestTree,
    DigestNodeFrom,
    DigestNodeAfter,
    DigestNodeBefore,
    DigestNodeRange,
    DigestPutNode,
    DigestRemoveNodes,
    DigestPutDead,
    DigestRemoveDead,
    DigestDeadRange,
}

impl Slot {
    fn text(self) -> &'static str {
        match self {
            Slot::LogAppend => sql::LOG_APPEND,
            Slot::LogRemove => sql::LOG_REMOVE,
            Slot::LogRemoveRun => sql::LOG_REMOVE_RUN,
            Slot::LogCovering => sql::LOG_COVERING,
            Slot::LogVersion => sql::LOG_VERSION,
            Slot::LogLast => sql::LOG_LAST,
            Slot::LogScan => sql::LOG_SCAN,
            Slot::LogScanWithin => sql::LOG_SCAN_WITHIN,
            Slot::LogScanFrom => sql::LOG_SCAN_FROM,
            Slot::LogByKey => sql::LOG_BY_KEY,
            Slot::LogByRun => sql::LOG_BY_RUN,
            Slot::SiteByOrdinal => sql::SITE_BY_ORDINAL,
            Slot::SiteById => sql::SITE_BY_ID,
            Slot::SiteAdd => sql::SITE_ADD,
            Slot::MasterGet => sql::MASTER_GET,
            Slot::SchemaVersion => sql::SCHEMA_VERSION,
            Slot::TempVersion => sql::TEMP_VERSION,
            Slot::CastReal => sql::CAST_REAL,
            Slot::CastText => sql::CAST_TEXT,
            Slot::Enlist => sql::ENLIST,
            Slot::ParkedAny => sql::PARKED_ANY,
            Slot::LogScanAfter => sql::LOG_SCAN_AFTER,
            Slot::DigestState => sql::DIGEST_STATE,
            Slot::DigestTouch => sql::DIGEST_TOUCH,
            Slot::DigestTree => sql::DIGEST_TREE,
            Slot::DigestNodeFrom => sql::DIGEST_NODE_FROM,
            Slot::DigestNodeAfter => sql::DIGEST_NODE_AFTER,
            Slot::DigestNodeBefore => sql::DIGEST_NODE_BEFORE,
            Slot::DigestNodeRange => sql::DIGEST_NODE_RANGE,
            Slot::DigestPutNode => sql::DIGEST_PUT_NODE,
            Slot::DigestRemoveNodes => sql::DIGEST_REMOVE_NODE_RANGE,
            Slot::DigestPutDead => sql::DIGEST_PUT_DEAD,
            Slot::DigestRemoveDead => sql::DIGEST_REMOVE_DEAD,
            Slot::DigestDeadRange => sql::DIGEST_DEAD_RANGE,
        }
    }
}

impl Store {
    /// The store of a connection.
    pub fn new(connection: Connection) -> Store {
        Store {
            connection,
            appended: Cell::default(),
            statements: StatementCache::default(),
            schema_probe: RefCell::default(),
            is_within_statement: Cell::new(false),
        }
    }

    /// Runs `work` with a kept statement.
    pub fn with<T>(&self, slot: Slot, work: impl FnOnce(&mut Statement) -> Result<T>) -> Result<T> {
        self.statements.with(
            slot as usize,
            self.connection,
            || slot.text().to_owned(),
            work,
        )
    }

    /// Lends out a kept statement for as long as a scan runs.
    pub fn take(&self, slot: Slot) -> Result<Statement> {
        self.statements
            .take(slot as usize, self.connection, || slot.text().to_owned())
    }

    /// Takes a lent statement back.
    pub fn give_back(&self, slot: Slot, statement: Statement) {
        self.statements.give_back(slot as usize, statement);
    }

    /// Lets go of all statements, so that the connection can close.
    pub fn clear(&self) {
        self.statements.clear();
        self.schema_probe.take();
    }

    /// Reads a setting.
    pub fn setting(&self, key: &str) -> Result<Option<Value>> {
        self.with(Slot::MasterGet, |get| {
            get.first([ValueRef::Text(key.as_bytes())], |row| {
                row.value(0).to_owned()
            })
        })
    }

    /// Writes a setting.
    pub fn set_setting(&self, key: &str, value: ValueRef<'_>) -> Result<()> {
        let mut set = self.connection.prepare(sql::MASTER_SET)?;
        set.run([ValueRef::Text(key.as_bytes()), value])?;
        Ok(())
    }

    /// Moves with every change of the schema.
    pub fn schema_version(&self) -> Result<i64> {
        self.version(Slot::SchemaVersion)
    }

    /// Whether the schema or the temporary one may have changed since this was last asked. SQLite looks into the file
    /// for that, and compares more than the versions, which a rollback gives back.
    pub fn may_have_new_schema(&self) -> Result<bool> {
        let kept = self.schema_probe.take();
        let is_first = kept.is_none();
        let ask = || -> Result<bool> {
            let text = sql::SCHEMA_PROBE;
            let mut probe = kept.map_or_else(|| self.connection.prepare_persistent(text), Ok)?;
            probe.step()?;
            let was_compiled_anew = probe.was_compiled_anew();
            self.schema_probe.replace(Some(probe));
            Ok(was_compiled_anew || is_first)
        };
        match ask() {
            // Whether the application denies this statement says nothing about others.
            Err(error) if error.is_denial() => Ok(true),
            outcome => outcome,
        }
    }

    /// Does something in a transaction that reads, for which SQLite looks whether others changed the file.
    pub fn while_reading<T>(&self, work: impl FnOnce() -> T) -> Result<Option<T>> {
        self.with(Slot::SchemaVersion, |pragma| pragma.first([], |_| work()))
    }

    /// Moves with every change of the temporary schema. Asking for it makes the temporary database.
    pub fn temp_version(&self) -> Result<i64> {
        match self.connection.has_temporary() {
            true => self.version(Slot::TempVersion),
            false => Ok(0),
        }
    }

    fn version(&self, slot: Slot) -> Result<i64> {
        let version = self.with(slot, |pragma| pragma.first([], |row| row.integer(0)))?;
        Ok(version.unwrap_or_default())
    }

    /// Runs `work` so that an error undoes it and nothing else of the caller's transaction.
    pub fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.connection.keeping_last_insert_rowid(|| {
            if self.is_within_statement.get() {
                work()
            } else {
                self.in_savepoint(work)
            }
        })
    }

    /// Whether the work runs inside a writing statement of the application.
    pub fn is_within_statement(&self) -> bool {
        self.is_within_statement.get()
    }

    /// Runs `work` inside a writing statement of the application, which SQLite undoes whole if it fails; it opens no
    /// savepoint there.
    pub fn within_statement<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        struct Within<'a>(&'a Cell<bool>, bool);
        impl Drop for Within<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let was_within = self.is_within_statement.replace(true);
        let _within = Within(&self.is_within_statement, was_within);
        work()
    }

    fn in_savepoint<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // Compiled before the work: what interrupts the work would interrupt the compiler too.
        let mut undo =
            [sql::WORK_UNDO, sql::WORK_RELEASE].map(|text| self.connection.prepare(text));
        let mut abandon = self.connection.prepare(sql::WORK_ABANDON);
        let mut rollback = self.connection.prepare(sql::TRANSACTION_ROLLBACK);
        let was_autocommit = self.connection.is_autocommit();
        // Each of these may say that it was interrupted after it was done; then undoing says that there is
        // no such savepoint, or finds it. What else is wrong with the first leaves no savepoint, and undoing would
        // find that of the work in which this is nested.
        let begun = self.connection.execute(sql::WORK_BEGIN);
        if begun.as_ref().is_err_and(|error| !error.is_interrupt()) {
            begun.clone()?;
        }
        let outcome = begun
            .and_then(|()| work())
            .and_then(|done| self.connection.execute(sql::WORK_RELEASE).map(|()| done));
        if outcome.is_err() {
            let mut was_interrupted = false;
            for undo in undo.iter_mut().flatten() {
                was_interrupted |= undo.step().is_err_and(|error| error.is_interrupt());
            }
            if was_interrupted {
                // A statement that writes, interrupted, makes SQLite roll back the whole transaction, as it
                // does for an interrupted INSERT of the application.
                let _ = abandon.as_mut().map(Statement::step);
            }
            if was_autocommit && !self.connection.is_autocommit() {
                // The release was a commit. Where a lock was in the way of the first, it is in that of the second, and the
                // application would go on in a transaction that it knows nothing of.
                let _ = rollback.as_mut().map(Statement::step);
            }
        }
        outcome
    }
}
