//! The registered tables, found also where their triggers are gone.

use crate::crdt::change::TableId;
use crate::crdt::value::Value;
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::schema::inspect::DeclaredTable;
use crate::schema::matching::History;
use crate::schema::registry::{RegisteredColumn, RegisteredTable};
use crate::sql::{self, quoted};
use crate::sqlite::Connection;
use crate::state::State;
use std::rc::Rc;

/// A registered table; without a `Crr` it was dropped.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Its id
    pub id: TableId,
    /// The table
    pub crr: Option<Rc<Crr>>,
}

/// All registered tables, in the order of their ids.
pub fn registered(state: &State) -> Result<Vec<Registered>> {
    let connection = state.store.connection;
    let mut list = connection.prepare(sql::REPAIR_TABLES)?;
    let mut found = Vec::new();
    while list.step()? {
        let id = TableId(list.integer(0));
        let (name, is_visible) = (list.value(1).to_owned(), list.integer(2) != 0);
        let crr = match name {
            Value::Null => None,
            _ if is_visible => Crr::load(connection, id, &list.text(1))?,
            _ => hidden(connection, id, &list.text(1))?,
        };
        let crr = crr.map(Rc::new);
        found.push(Registered { id, crr });
    }
    Ok(found)
}

/// A table without its insert trigger, which may have been made anew: its columns are known by their names.
fn hidden(connection: Connection, id: TableId, name: &str) -> Result<Option<Crr>> {
    let declared = DeclaredTable::read(connection, name)?;
    let table = RegisteredTable::read(connection, id)?;
    let columns = RegisteredColumn::read_all(connection, id)?;
    Ok(declared
        .zip(table)
        .map(|(declared, table)| Crr::altered(id, &declared, &table, &columns, History::Rebuilt)))
}

/// Refuses a table without its insert trigger that has another key or other columns than it had.
pub fn check_unchanged(state: &State, crr: &Crr) -> Result<()> {
    let connection = state.store.connection;
    let table = RegisteredTable::read(connection, crr.id)?;
    let columns = RegisteredColumn::read_all(connection, crr.id)?;
    let is_same_key = table.is_some_and(|table| table.key == crr.key_description());
    if is_same_key && crr.added.is_empty() && columns.len() == crr.columns.len() {
        return Ok(());
    }
    Err(Error::Table(format!(
        "table {} has another key or other columns than it had when it lost its triggers; make it as it was, or call \
         crsql_as_crr({}) to begin anew",
        quoted(&crr.name),
        sql::literal(&crr.name)
    )))
}

/// A registered table by name, in any ASCII case, whether it has its triggers or not.
pub fn by_name(state: &State, name: &str) -> Result<Rc<Crr>> {
    let named = registered(state)?
        .into_iter()
        .filter_map(|table| table.crr)
        .find(|crr| crr.name.eq_ignore_ascii_case(name));
    if let Some(crr) = named {
        return Ok(crr);
    }
    let is_there = DeclaredTable::read(state.store.connection, name)?.is_some();
    Err(Error::Table(match is_there {
        true => format!(
            "table {} is not a replicated one; call SELECT crsql_as_crr({}) to make it one",
            quoted(name),
            sql::literal(name)
        ),
        false => format!("there is no table {}", quoted(name)),
    }))
}
