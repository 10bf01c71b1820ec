//! Finding and mending what was written behind the extension's back: `crsql_check`, `crsql_adopt`; and giving a
//! copied file an identity of its own: `crsql_site_id_reset`.
//!
//! ```text
//! rows, clock records, log --KeyScan: facts--> SQLite sorts them --RowStream--> what is known of one row
//!                                                                     |              |
//!                                                                  Check: problems   adopt: local changes
//! ```
//! Values that were changed without capture can't be found: nothing here keeps a copy of a value.

mod adopt;
pub mod check;
pub mod keys;
mod log;
pub mod problem;
mod registry;
mod row;
mod site;
mod triggers;

pub use adopt::{Scope, adopt};

use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::inspect::DeclaredTable;
use crate::sqlite::value::Arguments;
use crate::state::State;
use std::rc::Rc;

fn table_name(value: ValueRef<'_>, usage: &str) -> Result<String> {
    match value {
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(Error::Usage(format!(
            "the name of a table must be a text; {usage}"
        ))),
    }
}

/// `crsql_check([table])` -> 'ok', or how many problems there are of each kind
pub fn check_function(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    const USAGE: &str = "call crsql_check() or crsql_check('table')";
    let only = match arguments.len() {
        0 => None,
        1 => Some(table_name(arguments.get(0), USAGE)?),
        _ => return Err(Error::Usage(USAGE.to_owned())),
    };
    let summary = check::summary(state, only.as_deref())?;
    Ok(Value::Text(summary.into_bytes()))
}

/// `crsql_adopt(table)` -> the number of rows whose differences were recorded
pub fn adopt_function(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    const USAGE: &str = "call crsql_adopt('table')";
    if arguments.len() != 1 {
        return Err(Error::Usage(USAGE.to_owned()));
    }
    let name = table_name(arguments.get(0), USAGE)?;
    state.ensure_bootstrapped()?;
    let crr = registry::by_name(state, &name)?;
    let connection = state.store.connection;
    if let Some(declared) = DeclaredTable::read(connection, &crr.name)? {
        declared.check(connection)?;
    }
    let scope = Scope::of(state, &crr)?;
    if scope == Scope::Everything {
        registry::check_unchanged(state, &crr)?;
    }
    Ok(Value::Integer(adopt(state, &crr, scope)? as i64))
}

/// `crsql_site_id_reset()` -> the new site id, a BLOB of 16 bytes
pub fn site_id_reset_function(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if !arguments.is_empty() {
        return Err(Error::Usage(
            "crsql_site_id_reset() takes no arguments".to_owned(),
        ));
    }
    Ok(Value::Blob(site::reset(state)?))
}
