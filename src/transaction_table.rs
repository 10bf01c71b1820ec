//! The internal virtual table `crsql_transaction`: it has no rows, and exists to hear of transactions.
//!
//! A statement on it is kept, which is why it is not `crsql_changes` itself: a kept statement keeps its table
//! connected, and the disconnection of `crsql_changes` is what lets go of all kept statements.

use crate::error::{Error, Result};
use crate::sqlite::query::Query;
use crate::sqlite::value::{Arguments, Context};
use crate::sqlite::vtab::{Cursor, Table};
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

    fn connect(state: &Rc<State>) -> TransactionTable {
        TransactionTable {
            state: Rc::clone(state),
        }
    }

    fn best_index(&self, _query: &mut Query<'_>) -> Result<()> {
        Ok(())
    }

    fn open(&self) -> Result<NoRows> {
        Ok(NoRows)
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_transaction is internal and holds no rows".to_owned())
    }

    fn begin(&self) -> Result<()> {
        self.state.on_begin();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.state.on_sync()
    }

    fn commit(&self) {
        self.state.on_commit();
    }

    fn rollback(&self) {
        self.state.on_rollback();
    }

    fn savepoint(&self, index: i32) -> Result<()> {
        self.state.on_savepoint(index)
    }

    fn release(&self, index: i32) {
        self.state.on_release(index);
    }

    fn rollback_to(&self, index: i32) {
        self.state.on_rollback_to(index);
    }
}

/// A scan that ends at once.
pub struct NoRows;

impl Cursor for NoRows {
    fn filter(&mut self, _plan: i32, _plan_text: &str, _arguments: Arguments<'_>) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        true
    }

    fn column(&self, _column: usize, _context: Context) -> Result<()> {
        Ok(())
    }

    fn rowid(&self) -> i64 {
        0
    }
}
