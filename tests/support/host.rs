//! A host with another SQLite than the one of the tests: the extension gets a copy of SQLite's routines table
//! in which routines are missing.
//!
//! The library is copied to a file of its own first: it keeps the table it was initialised with.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::{Connection, ffi};

use crate::support::{ScratchDir, extension_path, scratch_dir};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;

/// Routines in `struct sqlite3_api_routines` of SQLite 3.54.1; the struct only grows at its end.
pub const ROUTINES: usize = 279;
pub const LIBVERSION: usize = 66;
pub const LIBVERSION_NUMBER: usize = 67;
/// The first routine that SQLite 3.40 does not have (`sqlite3_is_interrupted`, 3.41).
pub const FIRST_AFTER_3_40: usize = 266;

/// Routines that builds leave out: get_table and free_table, authorizer, trace and profile,
/// complete, progress handler, shared cache, everything UTF-16, column metadata, unlock_notify,
/// normalized_sql, incremental blobs, backup, serialize and deserialize, extension loading.
pub const OPTIONAL: [usize; 54] = [
    11, 18, 21, 23, 24, 26, 31, 32, 33, 34, 35, 37, 41, 42, 44, 46, 51, 54, 56, 59, 62, 63, 71, 73,
    74, 75, 81, 86, 87, 88, 91, 98, 104, 110, 111, 112, 117, 121, 122, 123, 124, 125, 155, 156,
    157, 158, 159, 172, 176, 196, 218, 240, 262, 263,
];

type Init = unsafe extern "C" fn(*mut ffi::sqlite3, *mut *mut c_char, *const Routines) -> c_int;

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Routines(pub [*const c_void; ROUTINES]);

/// SQLite hands its own table to automatic extensions, also to statically linked ones.
pub fn routines() -> Routines {
    static TABLE: AtomicPtr<Routines> = AtomicPtr::new(ptr::null_mut());
    unsafe extern "C" fn remember(
        _: *mut ffi::sqlite3,
        _: *mut *mut c_char,
        table: *const ffi::sqlite3_api_routines,
    ) -> c_int {
        TABLE.store(table.cast_mut().cast(), Ordering::SeqCst);
        ffi::SQLITE_OK
    }
    // SAFETY: `remember` has the type that SQLite asks for and only stores a pointer to a static.
    unsafe {
        ffi::sqlite3_auto_extension(Some(remember));
        drop(Connection::open_in_memory().expect("open"));
        ffi::sqlite3_cancel_auto_extension(Some(remember));
    }
    let table = TABLE.load(Ordering::SeqCst);
    assert!(!table.is_null(), "SQLite calls automatic extensions");
    assert!(
        rusqlite::version_number() >= 3_054_001,
        "the table may be shorter than {ROUTINES}"
    );
    // SAFETY: SQLite's table is a static array of function pointers, at least this long.
    unsafe { *table }
}

/// A library of its own, which stays mapped until the process ends.
pub struct Host {
    _directory: ScratchDir,
    init: Init,
}

pub fn host() -> Host {
    let directory = scratch_dir();
    let path = directory.join("crsql.so");
    std::fs::copy(extension_path(), &path).expect("copy the extension");
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: the library is a copy of the one under test, and its entry point has this type.
    let init = unsafe {
        let library = dlopen(path.as_ptr(), RTLD_NOW);
        assert!(!library.is_null(), "dlopen");
        let symbol = dlsym(library, c"sqlite3_crsql_init".as_ptr());
        assert!(!symbol.is_null(), "dlsym");
        std::mem::transmute::<*mut c_void, Init>(symbol)
    };
    Host {
        _directory: directory,
        init,
    }
}

impl Host {
    /// Calls the entry point as `sqlite3_load_extension` does.
    pub fn load(&self, connection: &Connection, routines: Routines) -> Result<(), String> {
        // It must outlive every connection that uses it, as SQLite's own does.
        let routines: &'static Routines = Box::leak(Box::new(routines));
        let mut message = ptr::null_mut();
        // SAFETY: the handle is open and the table lives for ever; a message is SQLite's memory.
        unsafe {
            match (self.init)(connection.handle(), &mut message, routines) {
                ffi::SQLITE_OK => Ok(()),
                code => {
                    assert!(!message.is_null(), "code {code} without a message");
                    let text = CStr::from_ptr(message).to_str().expect("UTF-8").to_owned();
                    ffi::sqlite3_free(message.cast());
                    Err(text)
                }
            }
        }
    }
}

impl Routines {
    /// The table of a host that was built without optional parts, and of SQLite 3.40.
    pub fn without_optional_ones() -> Self {
        let mut table = routines();
        OPTIONAL
            .into_iter()
            .chain(FIRST_AFTER_3_40..ROUTINES)
            .for_each(|routine| table.0[routine] = ptr::null());
        table
    }
}
