//! The entry points that SQLite calls on load, and what they register.
//!
//! Whatever can fail comes before the first registration, so that a failed load leaves nothing behind.

use crate::changes::Changes;
use crate::changeset::{ChangesetRows, Changesets};
use crate::check::CheckTable;
use crate::check::keys::CheckKeys;
use crate::clset::Clset;
use crate::error::{Error, Result};
use crate::functions;
use crate::sqlite::guard::guard;
use crate::sqlite::{Connection, api};
use crate::sqlite::{created, vtab};
use crate::state::State;
use crate::status::Status;
use crate::store::Store;
use crate::transaction_table::TransactionTable;
use crate::unpack::Unpack;
use hashbrown::HashSet;
use sqlite_loadable::entrypoints::register_entrypoint;
use sqlite_loadable::ext::{sqlite3, sqlite3_api_routines, sqlite3_context, sqlite3_value};
use sqlite_loadable::{FunctionFlags, api as loadable, define_scalar_function};
use std::ffi::{c_char, c_int};
use std::rc::Rc;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The commit this library was built from.
const COMMIT: &str = match option_env!("CRSQL_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The connections that are served, by address: loading twice must not replace the state of a connection.
static SERVED: LazyLock<Mutex<HashSet<usize>>> = LazyLock::new(Mutex::default);

/// Compiles on a connection that is served. Another connection may have had its address, and have been leaked.
const OUR_OWN: &str = "SELECT crsql_capture_existing()";

/// SQLite's default entry point for a library called `crsql`.
///
/// # Safety
/// For SQLite to call, with the arguments it gives to every extension.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_crsql_init(
    db: *mut sqlite3,
    message: *mut *mut c_char,
    routines: *mut sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite passes its own arguments.
    unsafe { enter(db, message, routines) }
}

/// The entry point that programs written for cr-sqlite name.
///
/// # Safety
/// As for `sqlite3_crsql_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_crsqlite_init(
    db: *mut sqlite3,
    message: *mut *mut c_char,
    routines: *mut sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite passes its own arguments.
    unsafe { enter(db, message, routines) }
}

/// # Safety
/// The arguments are those of an entry point.
unsafe fn enter(
    db: *mut sqlite3,
    message: *mut *mut c_char,
    routines: *mut sqlite3_api_routines,
) -> c_int {
    let outcome = guard("sqlite3_crsql_init", || {
        // SAFETY: promised by the caller; `init` is the first to touch the routines.
        unsafe {
            api::init(routines)?;
            load(Connection::from_handle(db), db, routines)
        }
    });
    let Err(error) = outcome else {
        return api::SQLITE_OK;
    };
    // SAFETY: promised by the caller; SQLite frees the text with its own allocator.
    unsafe {
        if !message.is_null() {
            *message = api::load_message(routines, &error.to_string());
        }
    }
    error.code()
}

/// # Safety
/// `db` is open and `routines` are SQLite's.
unsafe fn load(
    connection: Connection,
    db: *mut sqlite3,
    routines: *mut sqlite3_api_routines,
) -> Result<()> {
    if !serve(connection) && connection.prepare(OUR_OWN).is_ok() {
        return Ok(());
    }
    let prepared = guard("sqlite3_crsql_init", || prepare(connection));
    let state = prepared.inspect_err(|_| leave(connection))?;
    let registered = guard("sqlite3_crsql_init", || {
        register(connection, db, routines, &state)
    });
    // SQLite unloads a library that fails to load: nothing of it may stay registered.
    registered.inspect_err(|_| {
        functions::unregister_all(connection);
        TABLES
            .iter()
            .for_each(|name| vtab::unregister(connection, name));
        leave(connection);
    })
}

/// Makes what is missing in the database.
fn prepare(connection: Connection) -> Result<Rc<State>> {
    let store = Store::new(connection);
    let identity = match store.bootstrap(None) {
        Ok(identity) => Some(identity),
        // Loading is no harm, and the text of the refusal is read where something is asked for.
        Err(Error::Foreign(_)) => None,
        Err(error) => return Err(error),
    };
    store.clear();
    Ok(Rc::new(State::new(store, identity, leave)))
}

/// The tables that are registered.
const TABLES: [&str; 9] = [
    "crsql_changes",
    "crsql_unpack_columns",
    "crsql_transaction",
    "clset",
    "crsql_check",
    "crsql_check_keys",
    "crsql_status",
    "crsql_changesets",
    "crsql_changeset_rows",
];

fn register(
    connection: Connection,
    db: *mut sqlite3,
    routines: *mut sqlite3_api_routines,
    state: &Rc<State>,
) -> Result<()> {
    functions::register_all(connection, state)?;
    vtab::register::<Changes>(connection, TABLES[0], state)?;
    vtab::register::<Unpack>(connection, TABLES[1], state)?;
    vtab::register::<TransactionTable>(connection, TABLES[2], state)?;
    vtab::register::<CheckTable>(connection, TABLES[4], state)?;
    vtab::register::<CheckKeys>(connection, TABLES[5], state)?;
    created::register::<Clset>(connection, TABLES[3], state)?;
    vtab::register::<Status>(connection, TABLES[6], state)?;
    vtab::register::<Changesets>(connection, TABLES[7], state)?;
    vtab::register::<ChangesetRows>(connection, TABLES[8], state)?;
    let registered = register_entrypoint(db, std::ptr::null_mut(), routines, |db| {
        define_scalar_function(
            db,
            "crsql_sha",
            0,
            sha,
            FunctionFlags::DETERMINISTIC | FunctionFlags::INNOCUOUS,
        )
    });
    match registered {
        0 => Ok(()),
        _ => Err(Error::Internal(
            "crsql_sha could not be registered".to_owned(),
        )),
    }
}

/// `crsql_sha()` -> the commit this library was built from
fn sha(
    context: *mut sqlite3_context,
    _arguments: &[*mut sqlite3_value],
) -> sqlite_loadable::Result<()> {
    let give = || {
        loadable::result_text(context, COMMIT).map_err(|error| Error::Internal(error.to_string()))
    };
    guard("crsql_sha", give).map_err(|error| sqlite_loadable::Error::new_message(error.to_string()))
}

/// Starts to serve a connection; false if it is served already.
fn serve(connection: Connection) -> bool {
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.insert(connection.handle() as usize)
}

/// The connection is closing, or its load failed.
fn leave(connection: Connection) {
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.remove(&(connection.handle() as usize));
    if served.is_empty() {
        // SQLite may unload the library now, and nobody frees what it still holds.
        *served = HashSet::new();
    }
}
