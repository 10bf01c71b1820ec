//! The routines that SQLite hands to a loaded extension, checked once at load.

use super::connection::c_text;
use crate::error::{Error, Result};
use sqlite_loadable::ext::sqlite3_api_routines;
use std::ffi::c_char;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The oldest SQLite that is supported, 3.40.0.
pub const SQLITE_VERSION_MIN: i32 = 3_040_000;

pub const SQLITE_OK: i32 = 0;
pub const SQLITE_ROW: i32 = 100;
pub const SQLITE_DONE: i32 = 101;

pub const SQLITE_INTEGER: i32 = 1;
pub const SQLITE_FLOAT: i32 = 2;
pub const SQLITE_TEXT: i32 = 3;
pub const SQLITE_BLOB: i32 = 4;

pub const SQLITE_UTF8: i32 = 1;
pub const SQLITE_DETERMINISTIC: i32 = 0x0000_0800;
pub const SQLITE_DIRECTONLY: i32 = 0x0008_0000;
pub const SQLITE_INNOCUOUS: i32 = 0x0020_0000;

pub const SQLITE_PREPARE_PERSISTENT: u32 = 1;

pub const SQLITE_DBCONFIG_ENABLE_TRIGGER: i32 = 1003;
pub const SQLITE_TXN_NONE: i32 = 0;
pub const SQLITE_TXN_WRITE: i32 = 2;

pub const SQLITE_INDEX_SCAN_UNIQUE: i32 = 1;

pub const SQLITE_VTAB_INNOCUOUS: i32 = 2;

pub const SQLITE_FCNTL_DATA_VERSION: i32 = 35;
pub const SQLITE_STMTSTATUS_REPREPARE: i32 = 5;

static ROUTINES: AtomicPtr<sqlite3_api_routines> = AtomicPtr::new(std::ptr::null_mut());

/// The routines; `init` has run before any callback can exist.
pub(super) fn routines() -> &'static sqlite3_api_routines {
    let routines = ROUTINES.load(Ordering::Acquire);
    debug_assert!(!routines.is_null(), "no callback is registered before init");
    // SAFETY: a connection exists only after init, which stored a pointer to what SQLite never changes or frees while the
    // process runs, and checked the fields in use. A call is made dozens of times a row: it does not check again.
    unsafe { &*routines }
}

/// Calls a routine of SQLite; `init` made sure that it is there.
macro_rules! call {
    ($name:ident ( $($argument:expr),* $(,)? )) => {
        match $crate::sqlite::api::routines().$name {
            Some(routine) => routine($($argument),*),
            None => unreachable!(concat!("init checked ", stringify!($name))),
        }
    };
}
pub(super) use call;

macro_rules! require {
    ($routines:ident: $($name:ident),* $(,)?) => {
        [$((stringify!($name), $routines.$name.is_some())),*]
    };
}

/// A copy of a text on SQLite's heap, also where `init` failed; null if that can't be had.
///
/// # Safety
/// `routines` is the third argument that SQLite passed to the entry point.
pub unsafe fn load_message(routines: *mut sqlite3_api_routines, text: &str) -> *mut c_char {
    let text = c_text(text);
    // SAFETY: every SQLite 3 has this routine at this place of the struct.
    match unsafe { (*routines).mprintf } {
        // SAFETY: the format takes one text.
        Some(print) => unsafe { print(c"%s".as_ptr(), text.as_ptr()) },
        None => std::ptr::null_mut(),
    }
}

/// Whether this SQLite is recent enough. `version` is major * 1000000 + minor * 1000 + patch.
pub fn check_version(version: i32) -> Result<()> {
    if version >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    let (major, minor, patch) = (
        version / 1_000_000,
        version / 1_000 % 1_000,
        version % 1_000,
    );
    Err(Error::Load(format!(
        "this is SQLite {major}.{minor}.{patch}, and SQLite 3.40.0 or newer is needed; update the SQLite library \
         of the application"
    )))
}

/// Takes the routines at load, before anything else is called.
///
/// # Safety
/// `pointer` is the third argument that SQLite passed to the entry point.
pub unsafe fn init(pointer: *mut sqlite3_api_routines) -> Result<()> {
    // SAFETY: this field stands near the start of the struct in every version of SQLite 3.
    let version = unsafe { (*pointer).libversion_number.map_or(0, |number| number()) };
    check_version(version)?;
    // SAFETY: from 3.40 on the struct has every field that this build knows of.
    let table = unsafe { &*pointer };
    let required = require!(table:
        bind_blob64, bind_double, bind_int64, bind_null, bind_text64, changes64,
        close_v2,
        column_int64,
        column_value, create_function_v2, create_module_v2, db_config, db_filename, declare_vtab,
        errmsg, extended_errcode, file_control, finalize, free, get_autocommit, last_insert_rowid, malloc64, next_stmt, open_v2, prepare_v3, randomness, reset,
        result_blob64, result_double, result_error, result_error_code, result_int64, result_null,
        result_text64, result_value, set_last_insert_rowid, sql, step, stmt_busy, stmt_readonly, stmt_status, total_changes64, txn_state, user_data, value_blob, value_bytes,
        value_double, value_int64, value_text, value_type, vtab_collation, vtab_config,
    );
    if let Some((missing, _)) = required.iter().find(|(_, is_there)| !is_there) {
        return Err(Error::Load(format!(
            "the application's SQLite was built without sqlite3_{missing}, which is needed"
        )));
    }
    // The first stay: those of another copy of SQLite in the process would not fit the connections that are open.
    let _ = ROUTINES.compare_exchange(
        std::ptr::null_mut(),
        pointer,
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_sqlite_is_refused_with_both_versions() {
        assert_eq!(check_version(3_040_000), Ok(()));
        let refusal = check_version(3_039_004).unwrap_err().to_string();
        assert!(
            refusal.contains("3.39.4") && refusal.contains("3.40.0"),
            "{refusal}"
        );
    }
}
