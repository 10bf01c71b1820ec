//! What the fuzz targets share: the bodies of `tests/fuzzing`, with the extension linked in, so that libFuzzer sees which
//! of its code runs and AddressSanitizer what it does to memory.
#![allow(dead_code)] // a target uses its own part

#[path = "../../tests/fuzzing/bodies.rs"]
pub mod bodies;
#[path = "../../tests/model/mod.rs"]
mod model;
#[path = "../../tests/schedule/mod.rs"]
mod schedule;
#[path = "../../tests/support/sealed.rs"]
mod sealed;

/// The support of the tests, with another way to load the extension.
mod support {
    #[path = "../../../tests/support/mod.rs"]
    mod shared;

    use std::ffi::{c_char, c_int};
    use std::path::Path;
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use rusqlite::{Connection, Error, Result, ffi};

    pub use shared::*;

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
            type Registered = unsafe extern "C" fn(
                *mut ffi::sqlite3,
                *mut *mut c_char,
                *const ffi::sqlite3_api_routines,
            ) -> c_int;
            let entry: Registered = keep;
            // SAFETY: SQLite calls an automatic extension with these arguments, whatever its declared type is.
            unsafe {
                ffi::sqlite3_auto_extension(Some(std::mem::transmute::<Registered, _>(entry)));
            }
            drop(Connection::open_in_memory());
            // SAFETY: this process has no other automatic extension.
            unsafe { ffi::sqlite3_reset_auto_extension() };
        });
    }

    /// Calls the entry point of the extension, as `sqlite3_load_extension` does.
    pub fn load(connection: &Connection) -> Result<()> {
        find_routines();
        let mut message = ptr::null_mut();
        // SAFETY: the arguments are those of an entry point; the connection outlives the extension.
        let code = unsafe {
            crsql::entry::sqlite3_crsql_init(
                connection.handle().cast(),
                &mut message,
                ROUTINES.load(Ordering::Relaxed).cast(),
            )
        };
        match code {
            ffi::SQLITE_OK => Ok(()),
            _ => Err(Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }

    pub fn open_memory() -> Connection {
        let connection = Connection::open_in_memory().expect("open a database in memory");
        load(&connection).expect("load the extension");
        connection
    }

    pub fn open(path: impl AsRef<Path>) -> Connection {
        let connection = Connection::open(path.as_ref()).expect("open a database");
        load(&connection).expect("load the extension");
        connection
    }
}
