//! Ordered tables while their schema changes: the view and the triggers name every column, so that SQLite
//! would refuse to drop one.
//!
//! ```text
//! ordered --suspend: view and triggers go; what orders the table is kept twice--> suspended
//!   by the marker trigger, in which SQLite keeps names right, and which goes with a table that is dropped
//!   by an entry in crsql_master, for a table that is dropped and made anew
//! suspended --restore: made anew for the columns that are there--> ordered
//! ```

use super::installed::{self, Installed, install};
use super::objects::{Object, creation};
use super::ordering::{Ordering, find};
use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;
use crate::schema::inspect::DeclaredTable;
use crate::sql::{self, Part, join, quoted, quoted_list};
use crate::state::State;

/// What the entries in `crsql_master` begin with; the name of the table follows.
const ENTRY: &str = "fractindex.";

/// Takes the view and the triggers of an ordered table away, until `restore`. Without them SQLite lets any
/// column go. Anything else stays as it is.
pub fn suspend(state: &State, table: &str) -> Result<()> {
    let connection = state.store.connection;
    installed::sweep(connection)?;
    let installed = Installed::of_table(connection, table)?;
    if installed.is_unclear() {
        return Err(installed::unclear(table));
    }
    let Some(names) = &installed.names else {
        return Ok(());
    };
    let Some(declared) = DeclaredTable::read(connection, table)? else {
        return Ok(());
    };
    let ordering = Ordering::new(connection, declared, names)?;
    installed.remove(connection)?;
    connection.execute(&creation(&ordering, Object::Marker))?;
    let list = join(", ", ordering.names().map(quoted));
    state
        .store
        .set_setting(&entry(table), ValueRef::Text(list.as_bytes()))
}

/// Makes the view and the triggers of an ordered table anew, for the columns that it has by now; a table that
/// is not ordered stays as it is. A list column that is gone leaves the lists to the others: rows that meet
/// at one position are told apart by the next insert between them. Without its order column a table is not
/// ordered any more.
pub fn restore(state: &State, table: &str) -> Result<()> {
    let connection = state.store.connection;
    installed::sweep(connection)?;
    let installed = Installed::of_table(connection, table)?;
    if installed.is_unclear() {
        return Ok(());
    }
    let was_suspended = match installed.stems.first() {
        Some(stem) => entry(stem),
        None => entry(table),
    };
    let kept = match state.or_empty(|| state.store.setting(&was_suspended))? {
        Some(Value::Text(list)) => Some(quoted_list(&String::from_utf8_lossy(&list))),
        _ => None,
    };
    let Some(mut names) = installed.names.clone().or_else(|| kept.clone()) else {
        return Ok(());
    };
    if kept.is_some() {
        forget(state, &was_suspended)?;
    }
    let Some(declared) = DeclaredTable::read(connection, table)? else {
        return Ok(());
    };
    let order = names.first().and_then(|order| find(&declared, order));
    if order.is_none() {
        return installed.remove(connection);
    }
    names.retain(|name| find(&declared, name).is_some());
    let ordering = Ordering::new(connection, declared, &names)?;
    install(connection, &ordering)?;
    match kept {
        Some(_) => settle(state, &ordering),
        None => Ok(()),
    }
}

/// Orders a table, also one that is suspended.
pub fn order(state: &State, ordering: &Ordering) -> Result<()> {
    let connection = state.store.connection;
    installed::sweep(connection)?;
    let entry = entry(&ordering.table.name);
    let was_suspended = state.or_empty(|| state.store.setting(&entry))?.is_some();
    install(connection, ordering)?;
    if was_suspended {
        forget(state, &entry)?;
        settle(state, ordering)?;
    }
    Ok(())
}

/// Places the rows that were written with a literal while the triggers were away.
fn settle(state: &State, ordering: &Ordering) -> Result<()> {
    let parts = [
        ("table", Part::Name(&ordering.table.name)),
        ("order", Part::Name(&ordering.order)),
    ];
    state
        .store
        .connection
        .execute(&sql::fill(sql::FRACT_SETTLE, &parts))
}

fn entry(table: &str) -> String {
    format!("{ENTRY}{}", table.to_ascii_lowercase())
}

fn forget(state: &State, entry: &str) -> Result<()> {
    let argument = [ValueRef::Text(entry.as_bytes())];
    state
        .store
        .connection
        .prepare(sql::MASTER_FORGET)?
        .run(argument)?;
    Ok(())
}
