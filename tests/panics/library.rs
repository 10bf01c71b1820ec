//! The debug build of the extension, with the functions by which it is asked to panic.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;

use rusqlite::{Connection, LoadExtensionGuard, Result};

/// What every panic says.
pub const TEXT: &str = "a panic that was asked for";

/// When a callback panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;

pub struct Library {
    path: PathBuf,
    watch: extern "C" fn(i64, c_int),
    end: extern "C" fn(),
    met: extern "C" fn() -> u64,
    name: extern "C" fn(u64) -> *const c_char,
}

impl Library {
    /// The library that cargo put beside this test.
    pub fn open() -> Library {
        let test = std::env::current_exe().expect("the path of this test");
        let path = test.with_file_name("libcrsql.so");
        let text = CString::new(path.to_str().expect("a path in UTF-8")).expect("a path");
        // SAFETY: the path is a text. The library stays loaded for as long as the process runs, and its functions
        // have these types.
        unsafe {
            let library = dlopen(text.as_ptr(), RTLD_NOW);
            assert!(!library.is_null(), "{}", path.display());
            let find = |name: &CStr| {
                let found = dlsym(library, name.as_ptr());
                assert!(!found.is_null(), "{name:?} in {}", path.display());
                found
            };
            Library {
                watch: std::mem::transmute::<*mut c_void, extern "C" fn(i64, c_int)>(find(
                    c"crsql_panics_watch",
                )),
                end: std::mem::transmute::<*mut c_void, extern "C" fn()>(find(c"crsql_panics_end")),
                met: std::mem::transmute::<*mut c_void, extern "C" fn() -> u64>(find(
                    c"crsql_panics_met",
                )),
                name: std::mem::transmute::<*mut c_void, extern "C" fn(u64) -> *const c_char>(
                    find(c"crsql_panics_name"),
                ),
                path,
            }
        }
    }

    pub fn load(&self, connection: &Connection) -> Result<()> {
        // SAFETY: the library is the one under test.
        unsafe {
            let _guard = LoadExtensionGuard::new(connection)?;
            connection.load_extension(&self.path, Some("sqlite3_crsql_init"))
        }
    }

    /// Watches callbacks from now on; the one at this place panics.
    pub fn watch(&self, planned: Option<(usize, Moment)>) {
        let (place, moment) = planned.map_or((-1, Moment::Before), |(place, moment)| {
            (place as i64, moment)
        });
        (self.watch)(place, c_int::from(moment == Moment::After));
    }

    /// How many callbacks there were since.
    pub fn met(&self) -> usize {
        (self.met)() as usize
    }

    /// Ends the watch: the names of all callbacks.
    pub fn watched(&self) -> Vec<String> {
        let names = (0..(self.met)()).map(|place| {
            // SAFETY: there was a callback at this place, and its name is copied before the next call.
            let name = unsafe { CStr::from_ptr((self.name)(place)) };
            name.to_string_lossy().into_owned()
        });
        let names = names.collect();
        (self.end)();
        names
    }
}
