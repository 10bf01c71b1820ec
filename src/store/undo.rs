//! What undoes work of the extension's own. It is compiled before the work, because what stops the work would stop
//! the compiler too, and it runs whatever was noted of the work.
//!
//! ```text
//! the work began the transaction: ROLLBACK --refused--> abandon --refused--> as below
//! else:                           ROLLBACK TO, RELEASE --refused--> abandon --refused--> it can't be committed
//! abandon: a statement that writes and is stopped makes SQLite roll back the whole transaction
//! ```

use super::Store;
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::{Connection, Statement};

/// The savepoints that the extension sets.
#[derive(Debug, Clone, Copy)]
pub enum Savepoint {
    /// Around a piece of work
    Work,
    /// Around an alter session
    Session,
}

impl Savepoint {
    fn undo(self) -> &'static str {
        match self {
            Savepoint::Work => sql::WORK_UNDO,
            Savepoint::Session => sql::SESSION_UNDO,
        }
    }

    /// Closes it.
    pub fn release(self) -> &'static str {
        match self {
            Savepoint::Work => sql::WORK_RELEASE,
            Savepoint::Session => sql::SESSION_RELEASE,
        }
    }
}

/// Ends a transaction and undoes all of it. What could not be compiled is left out: either the work can't begin then, or
/// an authorizer of the application refuses this statement alone.
#[derive(Debug)]
pub(super) struct Ending {
    connection: Connection,
    rollback: Option<Statement>,
    abandon: Option<Statement>,
}

impl Ending {
    fn new(connection: Connection) -> Ending {
        Ending {
            connection,
            rollback: connection.prepare(sql::TRANSACTION_ROLLBACK).ok(),
            abandon: connection.prepare(sql::WORK_ABANDON).ok(),
        }
    }

    /// The same, compiled anew.
    fn renewed(&self) -> Result<Ending> {
        let prepare = |old: &Option<Statement>, text| {
            let again = old.as_ref().map(|_| self.connection.prepare(text));
            again.transpose()
        };
        Ok(Ending {
            connection: self.connection,
            rollback: prepare(&self.rollback, sql::TRANSACTION_ROLLBACK)?,
            abandon: prepare(&self.abandon, sql::WORK_ABANDON)?,
        })
    }

    fn run(&mut self) {
        for statement in [&mut self.rollback, &mut self.abandon] {
            // An interrupt may be told of when all is done, so the transaction itself is asked.
            if !self.connection.is_autocommit()
                && let Some(statement) = statement
            {
                let _ = statement.step_at_any_rate();
            }
        }
    }
}

/// Says that the transaction is the extension's own, and is told of its end.
#[derive(Debug)]
pub(super) struct Own<'s>(&'s Store);

impl Own<'_> {
    /// Before the transaction begins.
    pub(super) fn new(store: &Store) -> Own<'_> {
        *store.ending.borrow_mut() = Some(Ending::new(store.connection));
        Own(store)
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        self.0.ending.take();
    }
}

/// Undoes the work since a savepoint.
#[derive(Debug)]
pub struct Undo {
    connection: Connection,
    savepoint: Option<[Statement; 2]>,
    abandon: Option<Statement>,
}

impl Undo {
    /// For a savepoint that is about to be set, or is there.
    pub fn new(connection: Connection, savepoint: Savepoint) -> Undo {
        let prepare = || {
            let undo = connection.prepare(savepoint.undo())?;
            Result::Ok([undo, connection.prepare(savepoint.release())?])
        };
        Undo {
            connection,
            savepoint: prepare().ok(),
            abandon: connection.prepare(sql::WORK_ABANDON).ok(),
        }
    }

    /// False if something of the work may still be there.
    fn run(&mut self) -> bool {
        let is_undone = self.savepoint.as_mut().is_some_and(|[undo, release]| {
            // Where an interrupt was told of when all was done, there is nothing left to do for the second.
            let undone = undo.step_at_any_rate().or_else(|_| undo.step_at_any_rate());
            match undone {
                Ok(_) => {
                    let _ = release.step_at_any_rate();
                    true
                }
                Err(error) => error.is_about_missing_savepoint(),
            }
        });
        if !is_undone && let Some(abandon) = &mut self.abandon {
            let _ = abandon.step_at_any_rate();
        }
        is_undone || self.connection.is_autocommit()
    }
}

impl Store {
    /// Undoes work that failed. Where that is refused, too, the transaction can't be committed.
    pub fn undo(&self, undo: &mut Undo, error: &Error) {
        // Going back to a savepoint may make SQLite compile all statements anew, so what stops that ends the whole
        // transaction, as it does for statements of the application that write.
        if error.stops_statements() {
            self.end();
        }
        if !self.connection.is_autocommit() && !undo.run() {
            self.is_half_done.set(true);
        }
    }

    /// Ends the transaction if it is the extension's own.
    pub(super) fn end(&self) {
        if let Some(ending) = &mut *self.ending.borrow_mut() {
            ending.run();
        }
    }

    /// Runs what makes SQLite compile all statements anew, and so those that end the transaction: it makes an index, or
    /// changes the temporary schema. Meanwhile a scan is under way, which SQLite does not compile anew, and which ends the
    /// transaction where it fails. No table can be dropped beside it.
    pub fn while_expiring<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.ending.borrow().is_none() {
            return work();
        }
        let scan = self.connection.prepare(sql::WORK_SCAN);
        let mut scan = scan.or_else(|_| self.connection.prepare(sql::WORK_SCAN_EARLY))?;
        scan.step()?;
        let outcome = work();
        let renewed = self.ending.borrow().as_ref().map(Ending::renewed);
        match renewed.transpose() {
            Ok(ending) => {
                *self.ending.borrow_mut() = ending;
                outcome
            }
            Err(error) => {
                self.is_ending.set(true);
                let _ = scan.step_at_any_rate();
                self.is_ending.set(false);
                outcome.and(Err(error))
            }
        }
    }

    /// Fails if the transaction is to end, with an error that makes SQLite roll it back.
    pub fn check_ending(&self) -> Result<()> {
        match self.is_ending.get() {
            true => Err(Error::end_of_transaction()),
            false => Ok(()),
        }
    }
}
