//! The registered tables, found also where their triggers are gone.

use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::schema::inspect::DeclaredTable;
use crate::sql::{self, quoted};
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
        let crr = match list.value(1) {
            ValueRef::Text(_) => Crr::load(connection, id, &list.text(1))?,
            _ => None,
        };
        let crr = crr.map(Rc::new);
        found.push(Registered { id, crr });
    }
    Ok(found)
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
