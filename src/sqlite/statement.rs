//! Prepared statements that finalize themselves.

use super::api::{self, call};
use super::connection::Connection;
use super::memory;
use super::value::{Destructor, dangling_if_empty, read, transient};
use crate::crdt::value::ValueRef;
use crate::error::Result;
use sqlite_loadable::ext::sqlite3_stmt;
use std::cell::RefCell;

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    handle: *mut sqlite3_stmt,
    connection: Connection,
    /// Whether it was stepped since it was last reset
    is_started: bool,
}

impl Statement {
    pub(super) fn new(handle: *mut sqlite3_stmt, connection: Connection) -> Statement {
        Statement {
            handle,
            connection,
            is_started: false,
        }
    }

    pub(super) fn handle(&self) -> *mut sqlite3_stmt {
        self.handle
    }

    /// Binds parameter `index`, counted from 1. SQLite copies the value.
    pub fn bind(&mut self, index: usize, value: ValueRef<'_>) -> Result<()> {
        // SAFETY: with SQLITE_TRANSIENT SQLite copies the bytes before returning.
        unsafe { self.bind_as(index, value, transient()) }
    }

    /// # Safety
    /// Where `lifetime` is not SQLITE_TRANSIENT, the bytes stay valid until the parameter is bound anew or cleared.
    unsafe fn bind_as(
        &mut self,
        index: usize,
        value: ValueRef<'_>,
        lifetime: Destructor,
    ) -> Result<()> {
        let (statement, index) = (self.handle, index as i32);
        // SAFETY: the statement is live; the bytes are as long as they say, and as promised by the caller.
        let code = unsafe {
            match value {
                ValueRef::Null => call!(bind_null(statement, index)),
                ValueRef::Integer(integer) => call!(bind_int64(statement, index, integer)),
                ValueRef::Real(real) => call!(bind_double(statement, index, real)),
                ValueRef::Text(text) => call!(bind_text64(
                    statement,
                    index,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    lifetime,
                    api::SQLITE_UTF8 as u8,
                )),
                ValueRef::Blob(blob) => call!(bind_blob64(
                    statement,
                    index,
                    dangling_if_empty(blob).cast(),
                    blob.len() as u64,
                    lifetime,
                )),
            }
        };
        match code {
            api::SQLITE_OK => Ok(()),
            _ => Err(self.connection.last_error(code)),
        }
    }

    /// Binds the parameters from 1 on.
    pub fn bind_all<'a>(&mut self, values: impl IntoIterator<Item = ValueRef<'a>>) -> Result<()> {
        for (index, value) in (1..).zip(values) {
            self.bind(index, value)?;
        }
        Ok(())
    }

    /// Goes to the next row; false at the end, where the statement is reset. An error resets it too.
    pub fn step(&mut self) -> Result<bool> {
        memory::check()?;
        self.is_started = true;
        // SAFETY: the statement is live.
        match unsafe { call!(step(self.handle)) } {
            api::SQLITE_ROW => Ok(true),
            api::SQLITE_DONE => {
                self.reset();
                Ok(false)
            }
            code => {
                let error = self.connection.last_error(code);
                self.reset();
                Err(error)
            }
        }
    }

    /// Makes the statement ready to run again.
    pub fn reset(&mut self) {
        if std::mem::take(&mut self.is_started) {
            // SAFETY: the statement is live. The code repeats the error of the last step.
            unsafe { call!(reset(self.handle)) };
        }
    }

    /// Whether SQLite compiled the statement anew since this was last asked.
    pub fn was_compiled_anew(&mut self) -> bool {
        const AND_FORGET: i32 = 1;
        // SAFETY: the statement is live.
        let times = unsafe {
            call!(stmt_status(
                self.handle,
                api::SQLITE_STMTSTATUS_REPREPARE,
                AND_FORGET
            ))
        };
        times != 0
    }

    /// Binds the parameters, runs the statement to its end and gives the number of rows it changed.
    pub fn run<'a>(&mut self, values: impl IntoIterator<Item = ValueRef<'a>>) -> Result<i64> {
        self.lent(values, |statement| {
            while statement.step()? {}
            Ok(statement.connection.changes())
        })
    }

    /// Binds the parameters and reads the first row with `read`; none without a row.
    pub fn first<'a, T>(
        &mut self,
        values: impl IntoIterator<Item = ValueRef<'a>>,
        read: impl FnOnce(&Statement) -> T,
    ) -> Result<Option<T>> {
        self.lent(values, |statement| {
            let row = statement.step()?.then(|| read(statement));
            statement.reset();
            Ok(row)
        })
    }

    /// Runs `work` with parameters that SQLite does not copy: they are gone from the statement afterwards.
    fn lent<'a, T>(
        &mut self,
        values: impl IntoIterator<Item = ValueRef<'a>>,
        work: impl FnOnce(&mut Statement) -> Result<T>,
    ) -> Result<T> {
        let mut lent = Lent {
            statement: self,
            first: 0,
            last: 0,
        };
        for (index, value) in (1..).zip(values) {
            lent.note(index, value);
            // SAFETY: the values outlive this call ('a), and `Lent` takes them back at its end.
            unsafe { lent.statement.bind_as(index, value, None)? };
        }
        work(lent.statement)
    }

    /// A column of the current row as an integer, by SQLite's conversion.
    pub fn integer(&self, column: usize) -> i64 {
        // SAFETY: the statement is live; a column out of range reads as NULL.
        unsafe { call!(column_int64(self.handle, column as i32)) }
    }

    /// A column of the current row as text.
    pub fn text(&self, column: usize) -> String {
        match self.value(column) {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        }
    }

    /// A column of the current row.
    pub fn value(&self, column: usize) -> ValueRef<'_> {
        // SAFETY: the statement is live, and the value stays valid and unchanged until it is stepped or reset,
        // which borrows it mutably. SQLite calls us under the mutex of the connection, as a value must be
        // read; taking it once instead of for each part of the value is much of the time of a scan.
        unsafe { read(call!(column_value(self.handle, column as i32))) }
    }
}

/// Parameters whose bytes SQLite did not copy. They are taken back one by one: `sqlite3_clear_bindings` makes newer
/// versions of SQLite compile a statement anew whose plan might be another one for other values.
struct Lent<'s> {
    statement: &'s mut Statement,
    /// Which of the first 128 parameters have bytes
    first: u128,
    /// The last that has bytes
    last: usize,
}

impl Lent<'_> {
    fn note(&mut self, index: usize, value: ValueRef<'_>) {
        if matches!(value, ValueRef::Text(_) | ValueRef::Blob(_)) {
            self.first |= 1_u128.checked_shl(index as u32 - 1).unwrap_or_default();
            self.last = index;
        }
    }

    fn take_back(&mut self, index: usize) {
        // SAFETY: the statement is live and reset, and has a parameter of this index.
        unsafe { call!(bind_null(self.statement.handle, index as i32)) };
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.statement.reset();
        let mut rest = self.first;
        while rest != 0 {
            self.take_back(rest.trailing_zeros() as usize + 1);
            rest &= rest - 1;
        }
        for index in 129..=self.last {
            self.take_back(index);
        }
    }
}

/// Statements that are compiled on first use and kept. None of them may touch a table of this extension's
/// own modules, or it would keep the connection from closing.
#[derive(Debug, Default)]
pub struct StatementCache(RefCell<Vec<Option<Statement>>>);

impl StatementCache {
    /// Lends out the statement of a slot. While it is out a second user gets one of its own.
    pub fn take(
        &self,
        slot: usize,
        connection: Connection,
        sql: impl FnOnce() -> String,
    ) -> Result<Statement> {
        let kept = self.0.borrow_mut().get_mut(slot).and_then(Option::take);
        kept.map_or_else(|| connection.prepare_persistent(&sql()), Ok)
    }

    /// Takes a lent statement back.
    pub fn give_back(&self, slot: usize, mut statement: Statement) {
        statement.reset();
        let mut slots = self.0.borrow_mut();
        if slots.len() <= slot {
            slots.resize_with(slot + 1, || None);
        }
        slots[slot] = Some(statement);
    }

    /// Runs `work` with the statement of a slot.
    pub fn with<T>(
        &self,
        slot: usize,
        connection: Connection,
        sql: impl FnOnce() -> String,
        work: impl FnOnce(&mut Statement) -> Result<T>,
    ) -> Result<T> {
        let mut statement = self.take(slot, connection, sql)?;
        let outcome = work(&mut statement);
        self.give_back(slot, statement);
        outcome
    }

    /// Finalizes all that are not lent out.
    pub fn clear(&self) {
        self.0.take();
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the statement is live and this is its end.
        unsafe { call!(finalize(self.handle)) };
    }
}
