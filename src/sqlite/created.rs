//! Virtual tables that `CREATE VIRTUAL TABLE` makes, on top of the tables of `vtab`.
//!
//! ```text
//! CREATE VIRTUAL TABLE --create--> Table --rename--> Table --destroy--> gone
//! open the database    --connect-> Table --disconnect--> drop
//! ```
//! `create`, `rename` and `destroy` run inside the statement that asks for them. SQLite undoes what they wrote
//! when they fail, and opens no savepoint there.

use super::api::{self, call};
use super::connection::{Connection, c_text};
use super::guard::guard;
use super::table::{Definition, Table};
use super::vtab::{Module, disconnect, drop_state, establish, report, table_of};
use crate::error::Result;
use sqlite_loadable::ext::{sqlite3, sqlite3_module, sqlite3_vtab};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::rc::Rc;

/// A table that `CREATE VIRTUAL TABLE` makes.
pub trait Created: Table {
    /// Makes the table and connects to it.
    fn create(state: &Rc<Self::State>, definition: &Definition) -> Result<Self>;
    /// The table gets another name.
    fn rename(&self, name: &str) -> Result<()>;
    /// The table is dropped.
    fn destroy(&self) -> Result<()>;
}

/// Registers `T` as a module.
pub fn register<T: Created>(
    connection: Connection,
    name: &str,
    state: &Rc<T::State>,
) -> Result<()> {
    let state = Box::into_raw(Box::new(Rc::clone(state)));
    // SAFETY: the module is static; SQLite calls `drop_state` on the pointer exactly once, also when this fails.
    let code = unsafe {
        call!(create_module_v2(
            connection.handle(),
            c_text(name).as_ptr(),
            Module::<T>::created(),
            state.cast(),
            Some(drop_state::<T>),
        ))
    };
    match code {
        api::SQLITE_OK => Ok(()),
        _ => Err(connection
            .last_error(code)
            .during(format_args!("registering {name}"))),
    }
}

impl<T: Created> Module<T> {
    const CREATED: sqlite3_module = sqlite3_module {
        xCreate: Some(create::<T>),
        xDestroy: Some(destroy::<T>),
        xRename: Some(rename::<T>),
        ..Self::MODULE
    };

    fn created() -> *const sqlite3_module {
        const { &Self::CREATED }
    }
}

unsafe extern "C" fn create<T: Created>(
    db: *mut sqlite3,
    state: *mut c_void,
    count: c_int,
    arguments: *const *const c_char,
    table: *mut *mut sqlite3_vtab,
    message: *mut *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes its own arguments.
    unsafe {
        let definition = Definition::read(count, arguments);
        establish("xCreate", db, state, &definition, T::create, table, message)
    }
}

unsafe extern "C" fn rename<T: Created>(table: *mut sqlite3_vtab, name: *const c_char) -> c_int {
    // SAFETY: SQLite passes its own live table and a text.
    unsafe {
        let outcome = guard("xRename", || {
            table_of::<T>(table).rename(&CStr::from_ptr(name).to_string_lossy())
        });
        report(table, outcome)
    }
}

/// A table whose `destroy` fails stays, and is disconnected later.
unsafe extern "C" fn destroy<T: Created>(table: *mut sqlite3_vtab) -> c_int {
    // SAFETY: SQLite passes its own live table; after a success it does not use it again.
    unsafe {
        let outcome = guard("xDestroy", || table_of::<T>(table).destroy());
        match outcome {
            Ok(()) => disconnect::<T>(table),
            failed => report(table, failed),
        }
    }
}
