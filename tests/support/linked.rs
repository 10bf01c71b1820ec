//! The extension linked into the process, instead of loaded from a file: for what looks into it.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::{Connection, Error, Result, ffi};

/// What SQLite hands to extensions.
static ROUTINES: AtomicPtr<ffi::sqlite3_api_routines> = AtomicPtr::new(ptr::null_mut());

/// An extension that only keeps the routines.
unsafe extern "C" fn keep(
    _db: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    ROUTINES.store(routines.cast_mut(), Ordering::Relaxed);
    ffi::SQLITE_OK
}

fn find_routines() {
    static FOUND: OnceLock<()> = OnceLock::new();
    FOUND.get_or_init(|| {
        // SAFETY: it has the arguments of an entry point. This process has no other automatic extension.
        unsafe {
            ffi::sqlite3_auto_extension(Some(keep));
            drop(Connection::open_in_memory());
            ffi::sqlite3_reset_auto_extension();
        }
    });
}

/// Calls the entry point of the extension, as `sqlite3_load_extension` does.
pub fn load(connection: &Connection) -> Result<()> {
    find_routines();
    let mut message = ptr::null_mut();
    // SAFETY: the arguments are those of an entry point; the text of an error is SQLite's to free.
    unsafe {
        let code = crsql::entry::sqlite3_crsql_init(
            connection.handle().cast(),
            &mut message,
            ROUTINES.load(Ordering::Relaxed).cast(),
        );
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        let text =
            (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned());
        ffi::sqlite3_free(message.cast());
        Err(Error::SqliteFailure(ffi::Error::new(code), text))
    }
}
