//! What a virtual table is to the rest: safe traits.
//!
//! ```text
//! connect -> Table --open--> Cursor --filter--> (column* next)* -> drop
//!            Table --begin--> insert* / savepoint / release / rollback_to --sync--> commit | rollback
//!            Table --disconnect--> drop
//! ```
//! SQLite calls `begin` on the first write of a transaction and then tells the table of every savepoint.

use super::query::Query;
use super::value::{Arguments, Context};
use crate::error::{Error, Result};
use std::ffi::{CStr, c_char, c_int};
use std::rc::Rc;
use std::slice;

/// What a table was declared by: `CREATE VIRTUAL TABLE schema.name USING module (argument, ...)`, or its mere use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The schema that holds the table
    pub schema: String,
    /// The table's name
    pub name: String,
    /// What stands between the commas, as it was written
    pub arguments: Vec<String>,
}

impl Definition {
    /// # Safety
    /// `arguments` points to `count` texts: the module's name, the schema, the table, then its arguments.
    pub(super) unsafe fn read(count: c_int, arguments: *const *const c_char) -> Definition {
        let count = usize::try_from(count).unwrap_or_default();
        // SAFETY: promised by the caller.
        let texts = unsafe { slice::from_raw_parts(arguments, count) };
        let mut texts = texts.iter().skip(1).map(|text| {
            // SAFETY: promised by the caller.
            let text = unsafe { CStr::from_ptr(*text) };
            text.to_string_lossy().into_owned()
        });
        Definition {
            schema: texts.next().unwrap_or_default(),
            name: texts.next().unwrap_or_default(),
            arguments: texts.collect(),
        }
    }
}

/// News of a transaction that a table failed to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A savepoint was set, released or rolled back to
    Savepoint,
    /// The transaction is over
    End,
}

/// A table that SQL can read.
pub trait Table: Sized {
    /// What all tables of a connection share.
    type State: 'static;
    /// A running scan.
    type Cursor: Cursor;
    /// The `CREATE TABLE` statement that declares the columns.
    const DECLARATION: &'static str;
    /// Whether the table hears of transactions and savepoints.
    const HEARS_OF_TRANSACTIONS: bool = false;

    /// Connects the table to the connection's state.
    fn connect(state: &Rc<Self::State>, definition: &Definition) -> Result<Self>;
    /// Says how a query will be served.
    fn best_index(&self, query: &mut Query<'_>) -> Result<()>;
    /// Starts a scan.
    fn open(&self) -> Result<Self::Cursor>;
    /// Serves an `INSERT` (the values of the columns) and gives the rowid.
    fn insert(&self, _values: Arguments<'_>) -> Result<i64> {
        Err(Self::is_read_only())
    }
    /// What `UPDATE` and `DELETE` are told.
    fn is_read_only() -> Error;
    /// A transaction starts to write to the table.
    fn begin(&self) -> Result<()> {
        Ok(())
    }
    /// The transaction is about to be committed; an error stops it.
    fn sync(&self) -> Result<()> {
        Ok(())
    }
    /// The transaction was committed.
    fn commit(&self) {}
    /// The transaction was rolled back.
    fn rollback(&self) {}
    /// A savepoint is about to be set; they are numbered from the outside in.
    fn savepoint(&self, _index: i32) -> Result<()> {
        Ok(())
    }
    /// The savepoints from this one on are gone, their work stays.
    fn release(&self, _index: i32) {}
    /// The work since this savepoint is undone.
    fn rollback_to(&self, _index: i32) {}
    /// A panic kept the table from taking news of the transaction: nothing wrong may come of it.
    fn recover(&self, _lost: Lost) {}
    /// The connection lets go of the table, perhaps to close.
    fn disconnect(&self) {}
}

/// A running scan of a table.
pub trait Cursor {
    /// Starts the scan that `best_index` chose.
    fn filter(&mut self, plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()>;
    /// Goes to the next row.
    fn next(&mut self) -> Result<()>;
    /// Whether the scan is past its last row.
    fn is_at_end(&self) -> bool;
    /// Gives a column of the current row.
    fn column(&self, column: usize, context: Context) -> Result<()>;
    /// The rowid of the current row.
    fn rowid(&self) -> i64;
}

/// A scan of a table that has no rows.
pub struct NoRows(Box<dyn Fn() -> Result<()>>);

impl NoRows {
    /// One that fails where `start` does.
    pub fn after(start: impl Fn() -> Result<()> + 'static) -> NoRows {
        NoRows(Box::new(start))
    }
}

impl Cursor for NoRows {
    fn filter(&mut self, _plan: i32, _plan_text: &str, _arguments: Arguments<'_>) -> Result<()> {
        (self.0)()
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
