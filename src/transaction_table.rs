//! The internal virtual table `crsql_transaction`: it has no rows, and exists to hear of transactions.
//!
//! A statement on it is kept, which is why it is not `crsql_changes` itself: a kept statement keeps its table
//! connected, and the disconnection of `crsql_changes` is what lets go of all kept statements.

use crate::error::{Error, Result};
use crate::migrate::{self, session};
use crate::sqlite::query::Query;
use crate::sqlite::table::{Definition, Lost, NoRows, Table};
use crate::state::State;
use std::rc::Rc;

/// `crsql_transaction` on one connection.
pub struct TransactionTable {
    state: Rc<State>,
}

impl Table for TransactionTable {
    type State = State;
    type Cursor = NoRows;

    const DECLARATION: &'static str = "CREATE TABLE x (unused)";
    const HEARS_OF_TRANSACTIONS: bool = true;

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<TransactionTable> {
        Ok(TransactionTable {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        // SQLite opens no statement journal for a DELETE that comes to one row at most.
        query.promise_one_row();
        Ok(())
    }

    fn open(&self) -> Result<NoRows> {
        let state = Rc::clone(&self.state);
        Ok(NoRows::after(move || state.store.check_ending()))
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_transaction is internal and holds no rows".to_owned())
    }

    fn begin(&self) -> Result<()> {
        self.state.on_begin();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let state = &self.state;
        state.check_doomed()?;
        // A savepoint in the middle of a COMMIT would be one of a transaction that is over: SQLite crashes. What
        // fails here makes SQLite roll the whole transaction back.
        state.store.within_statement(|| {
            state.store.connection.keeping_last_insert_rowid(|| {
                session::commit_all(state)?;
                migrate::refresh_triggers(state)
            })?;
            state.on_sync()
        })
    }

    fn commit(&self) {
        self.state.on_commit();
    }

    fn rollback(&self) {
        self.state.on_rollback();
    }

    fn savepoint(&self, index: i32) -> Result<()> {
        // A statement begins that may change the schema, while one that wrote still waits to be read to its end
        // (RETURNING): the count of changes has not moved.
        self.state.distrust_tables();
        self.state.on_savepoint(index)
    }

    fn release(&self, index: i32) {
        self.state.on_release(index);
    }

    fn rollback_to(&self, index: i32) {
        self.state.on_rollback_to(index);
        self.state.forget_uncommitted_tables();
    }

    fn recover(&self, lost: Lost) {
        match lost {
            Lost::Savepoint => self.state.doom_transaction(),
            Lost::End => self.rollback(),
        }
    }
}
