//! Switching triggers off for a piece of work.
//!
//! SQLite compiles triggers into the statements that fire them, and turning the switch makes it compile every
//! statement of the connection anew. A statement that runs meanwhile goes on, but can't open another table. So
//! the switch is turned only where nothing else runs than a statement that reads no table, such as
//! `SELECT crsql_apply(?)`, and only by work that is large against the compiling.
//!
//! Turned there and back, it serves to have statements compiled anew.

use super::api::{self, call};
use super::connection::Connection;
use std::ffi::{CStr, c_int};
use std::ptr;

/// While it lives, the triggers of the main database don't fire.
#[derive(Debug)]
pub struct TriggersOff(Connection);

impl TriggersOff {
    /// Switches triggers off where that disturbs nothing; none where it might, or where they are off already.
    pub fn where_harmless(connection: Connection) -> Option<TriggersOff> {
        let is_alone = running(connection, 2) == [false];
        if !is_alone || switch(connection, -1) != Some(true) {
            return None;
        }
        // From here on they are switched on again, whatever this answers.
        let off = TriggersOff(connection);
        (switch(connection, 0) == Some(false)).then_some(off)
    }
}

impl Drop for TriggersOff {
    fn drop(&mut self) {
        switch(self.0, 1);
    }
}

/// Makes SQLite compile all statements anew before they run again, where the one that runs, if any, opens no table any
/// more. False if others run, or if triggers are switched off.
pub fn compile_anew(connection: Connection) -> bool {
    running(connection, 2).len() < 2
        && switch(connection, -1) == Some(true)
        && switch(connection, 0).is_some()
        && switch(connection, 1) == Some(true)
}

/// Turns the switch, or with -1 asks for it; tells how it is then.
fn switch(connection: Connection, to: c_int) -> Option<bool> {
    let mut is_on: c_int = 0;
    let op = api::SQLITE_DBCONFIG_ENABLE_TRIGGER;
    // SAFETY: this option takes an int and a pointer to an int; the connection is open.
    let code = unsafe { call!(db_config(connection.handle(), op, to, &raw mut is_on)) };
    (code == api::SQLITE_OK).then_some(is_on != 0)
}

/// For each running statement, at most `count` of them, whether it may use a table.
fn running(connection: Connection, count: usize) -> Vec<bool> {
    let mut found = Vec::new();
    let mut statement = ptr::null_mut();
    // SAFETY: the connection is open, and its statements stay while no other call is made on it.
    unsafe {
        loop {
            statement = call!(next_stmt(connection.handle(), statement));
            if statement.is_null() || found.len() == count {
                return found;
            }
            if call!(stmt_busy(statement)) == 0 {
                continue;
            }
            let text = call!(sql(statement));
            let reads = call!(stmt_readonly(statement)) == 0
                || text.is_null()
                || may_use_table(CStr::from_ptr(text).to_bytes());
            found.push(reads);
        }
    }
}

/// Whether a statement could name a table: there is `FROM t`, and `x IN t`.
fn may_use_table(sql: &[u8]) -> bool {
    sql.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .any(|word| word.eq_ignore_ascii_case(b"from") || word.eq_ignore_ascii_case(b"in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_after_from_and_in() {
        assert!(!may_use_table(b"SELECT crsql_apply(?1) AS \"inbox\""));
        assert!(may_use_table(b"SELECT crsql_apply(data)FROM inbox"));
        assert!(may_use_table(b"SELECT crsql_apply(?) , 1 in\ninbox"));
    }
}
