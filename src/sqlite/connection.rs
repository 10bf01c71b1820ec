//! A borrowed connection of the application.

use super::api::{self, call};
use super::statement::Statement;
use crate::error::{Error, Result};
use sqlite_loadable::ext::sqlite3;
use std::ffi::{CStr, CString, c_int};
use std::ptr;

/// The application's connection. It outlives every function and module registered on it, and so this.
#[derive(Debug, Clone, Copy)]
pub struct Connection(*mut sqlite3);

impl Connection {
    /// # Safety
    /// `handle` is an open connection, and the result is not used after it closes.
    pub unsafe fn from_handle(handle: *mut sqlite3) -> Connection {
        Connection(handle)
    }

    /// The handle, for registration and as an identity.
    pub fn handle(self) -> *mut sqlite3 {
        self.0
    }

    /// Compiles one statement.
    pub fn prepare(self, sql: &str) -> Result<Statement> {
        self.compile(sql, 0)
    }

    /// Compiles one statement that will be kept and run often.
    pub fn prepare_persistent(self, sql: &str) -> Result<Statement> {
        self.compile(sql, api::SQLITE_PREPARE_PERSISTENT)
    }

    fn compile(self, sql: &str, flags: u32) -> Result<Statement> {
        let length = i32::try_from(sql.len())
            .map_err(|_| Error::Internal("a statement of more than 2 GiB".to_owned()))?;
        let mut statement = ptr::null_mut();
        // SAFETY: the handle is open, `sql` is valid for `length` bytes, `statement` is a valid place.
        let code = unsafe {
            call!(prepare_v3(
                self.0,
                sql.as_ptr().cast(),
                length,
                flags,
                &mut statement,
                ptr::null_mut(),
            ))
        };
        match code {
            api::SQLITE_OK => Ok(Statement::new(statement, self)),
            _ => Err(self.last_error(code)),
        }
    }

    /// Runs one statement without parameters to its end.
    pub fn execute(self, sql: &str) -> Result<()> {
        let mut statement = self.prepare(sql)?;
        while statement.step()? {}
        Ok(())
    }

    /// The error that SQLite holds for the last call, which gave `code`.
    pub fn last_error(self, code: i32) -> Error {
        // SAFETY: the handle is open; the message is copied before any other call.
        let (extended, message) = unsafe {
            let text = CStr::from_ptr(call!(errmsg(self.0)));
            (
                call!(extended_errcode(self.0)),
                text.to_string_lossy().into_owned(),
            )
        };
        let code = if extended & 0xff == code & 0xff {
            extended
        } else {
            code
        };
        Error::Sqlite { code, message }
    }

    /// Whether triggers run on this connection. An application can turn them off.
    pub fn runs_triggers(self) -> bool {
        let mut is_on: c_int = 1;
        // SAFETY: the handle is open; this setting takes a number, where -1 only asks, and a place for the answer.
        let code = unsafe {
            call!(db_config(
                self.0,
                api::SQLITE_DBCONFIG_ENABLE_TRIGGER,
                -1 as c_int,
                &mut is_on as *mut c_int,
            ))
        };
        code != api::SQLITE_OK || is_on != 0
    }

    /// Rows changed by the last statement.
    pub fn changes(self) -> i64 {
        // SAFETY: the handle is open.
        unsafe { call!(changes64(self.0)) }
    }

    /// Runs `work` so that the application's `last_insert_rowid()` stays what it was.
    pub fn keeping_last_insert_rowid<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: the handle is open.
        let rowid = unsafe { call!(last_insert_rowid(self.0)) };
        let outcome = work();
        // SAFETY: the handle is open.
        unsafe { call!(set_last_insert_rowid(self.0, rowid)) };
        outcome
    }

    /// Whether the open transaction may have changed a database, as `main` or `temp`.
    pub fn is_writing(self, database: &CStr) -> bool {
        // SAFETY: the handle is open, the name is a text.
        unsafe { call!(txn_state(self.0, database.as_ptr())) == api::SQLITE_TXN_WRITE }
    }

    /// Whether no transaction was begun that waits for its COMMIT.
    pub fn is_autocommit(self) -> bool {
        // SAFETY: the handle is open.
        unsafe { call!(get_autocommit(self.0)) != 0 }
    }

    /// Whether transactions can be begun and committed here, and let go of every lock: no transaction is open, no
    /// statement reads, and none writes.
    pub fn is_idle(self) -> bool {
        // SAFETY: the handle is open; without a name this is about all databases.
        let state = unsafe { call!(txn_state(self.0, ptr::null())) };
        self.is_autocommit() && state == api::SQLITE_TXN_NONE && !self.is_running_write()
    }

    /// Whether a statement runs that writes.
    pub fn is_running_write(self) -> bool {
        let mut statement = ptr::null_mut();
        // SAFETY: the handle is open, and its statements stay while no other call is made on it.
        unsafe {
            loop {
                statement = call!(next_stmt(self.0, statement));
                if statement.is_null() {
                    return false;
                }
                if call!(stmt_busy(statement)) != 0 && call!(stmt_readonly(statement)) == 0 {
                    return true;
                }
            }
        }
    }

    /// Whether the main database is a file. In memory it may give way to another one at any time
    /// (`sqlite3_deserialize`).
    pub fn is_file(self) -> bool {
        // SAFETY: the handle is open, the name is a text; the answer is null or a text that is read at once.
        unsafe {
            let name = call!(db_filename(self.0, c"main".as_ptr()));
            !name.is_null() && *name != 0
        }
    }

    /// Moves whenever a transaction of this or another connection changed the main database; none where SQLite
    /// can't tell. Counts for what this connection reads only while it is in a transaction.
    pub fn data_version(self) -> Option<u32> {
        self.data_version_of(c"main")
    }

    /// Whether there is a temporary database: SQLite makes it when it is first needed.
    pub fn has_temporary(self) -> bool {
        self.data_version_of(c"temp").is_some()
    }

    fn data_version_of(self, database: &CStr) -> Option<u32> {
        let mut version = 0_u32;
        // SAFETY: the handle is open, the name is a text, and this operation writes an unsigned int.
        let code = unsafe {
            call!(file_control(
                self.0,
                database.as_ptr(),
                api::SQLITE_FCNTL_DATA_VERSION,
                ptr::from_mut(&mut version).cast(),
            ))
        };
        (code == api::SQLITE_OK).then_some(version)
    }

    /// Rows changed since the connection was opened. Moves whenever a statement that changed rows ends.
    pub fn total_changes(self) -> i64 {
        // SAFETY: the handle is open.
        unsafe { call!(total_changes64(self.0)) }
    }
}

/// Fills the bytes with SQLite's randomness.
pub fn randomness(bytes: &mut [u8]) {
    // SAFETY: the bytes are valid for their length, which is small.
    unsafe { call!(randomness(bytes.len() as i32, bytes.as_mut_ptr().cast())) };
}

/// A text for SQLite; a NUL in it ends it there.
pub(super) fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}
