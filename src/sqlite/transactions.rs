//! What SQLite tells virtual tables of transactions and savepoints. News that a panic kept from a table must not lead to
//! wrong work being committed.

use super::api;
use super::guard::guard;
use super::vtab::{Lost, Table, report, table_of};
use crate::error::{Error, Result};
use sqlite_loadable::ext::sqlite3_vtab;
use std::ffi::c_int;

pub(super) unsafe extern "C" fn begin<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe {
        let object = table_of::<T>(table);
        let outcome = guard("xBegin", || object.begin());
        if outcome.is_err() {
            // SQLite does not tell of a transaction that it could not begin.
            recover("xBegin", object, Lost::End);
        }
        report(table, outcome)
    }
}

pub(super) unsafe extern "C" fn sync<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { report(table, guard("xSync", || table_of::<T>(table).sync())) }
}

fn recover<T: Table>(callback: &str, table: &T, lost: Lost) {
    let _ = guard(callback, || {
        table.recover(lost);
        Ok(())
    });
}

/// Runs a callback that tells of a savepoint.
///
/// # Safety
/// `table` was made by `establish::<T>`.
unsafe fn notify<T: Table>(
    callback: &str,
    table: *mut sqlite3_vtab,
    tell: impl FnOnce(&T) -> Result<()>,
) -> c_int {
    // SAFETY: promised by the caller.
    unsafe {
        let object = table_of::<T>(table);
        let outcome = guard(callback, || tell(object));
        if let Err(Error::Internal(_)) = outcome {
            recover(callback, object, Lost::Savepoint);
        }
        report(table, outcome)
    }
}

/// Runs a callback that tells of the end of a transaction. SQLite takes no answer.
///
/// # Safety
/// `table` was made by `establish::<T>`.
unsafe fn end<T: Table>(callback: &str, table: *mut sqlite3_vtab, tell: fn(&T)) -> c_int {
    // SAFETY: promised by the caller.
    let object = unsafe { table_of::<T>(table) };
    let told = guard(callback, || {
        tell(object);
        Ok(())
    });
    if told.is_err() {
        recover(callback, object, Lost::End);
    }
    api::SQLITE_OK
}

pub(super) unsafe extern "C" fn commit<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { end::<T>("xCommit", table, T::commit) }
}

pub(super) unsafe extern "C" fn rollback<T: Table>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { end::<T>("xRollback", table, T::rollback) }
}

pub(super) unsafe extern "C" fn savepoint<T: Table>(
    table: *mut sqlite3_vtab,
    index: c_int,
) -> c_int {
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xSavepoint", table, |table| table.savepoint(index)) }
}

pub(super) unsafe extern "C" fn release<T: Table>(table: *mut sqlite3_vtab, index: c_int) -> c_int {
    let tell = |table: &T| {
        table.release(index);
        Ok(())
    };
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xRelease", table, tell) }
}

pub(super) unsafe extern "C" fn rollback_to<T: Table>(
    table: *mut sqlite3_vtab,
    index: c_int,
) -> c_int {
    let tell = |table: &T| {
        table.rollback_to(index);
        Ok(())
    };
    // SAFETY: SQLite passes its own live table.
    unsafe { notify::<T>("xRollbackTo", table, tell) }
}
