//! The registration of replicated tables, and their triggers.

use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::Crr;
use crate::schema::crr::rows_table;
use crate::schema::inspect::DeclaredTable;
use crate::schema::registry::{keep_former_names, write_columns};
use crate::schema::triggers::{self, Phase};
use crate::sql::{self, Part};
use crate::state::State;

/// Notes the table and its columns and makes the table of its clock records.
pub fn register(state: &State, declared: &DeclaredTable) -> Result<Crr> {
    let connection = state.store.connection;
    let mut crr = Crr::new(declared);
    crr.id = crr.registration().add(connection)?;
    write_columns(connection, crr.id, &crr.columns)?;
    let create = if crr.is_rowid_keyed {
        sql::CLOCK_CREATE_BY_ROWID
    } else {
        sql::CLOCK_CREATE_BY_KEY
    };
    connection.execute(&crr.clock_sql(create))?;
    Ok(crr)
}

/// Forgets a table: its triggers, its clock records, its entries in the log.
pub fn unregister(state: &State, id: TableId) -> Result<()> {
    let connection = state.store.connection;
    drop_triggers(state, id)?;
    let rows = rows_table(id);
    connection.execute(&sql::fill(sql::CLOCK_DROP, &[("rows", Part::Name(&rows))]))?;
    for text in [
        sql::LOG_REMOVE_TABLE,
        sql::REMOVE_COLUMNS,
        sql::REMOVE_TABLE,
        sql::REMOVE_FORMER_NAMES,
    ] {
        connection.prepare(text)?.run([ValueRef::Integer(id.0)])?;
    }
    state.store.forget_tree(id)
}

/// Forgets tables that were dropped, and what is left of a table that lost its triggers and is about to be made
/// replicated anew, by name. Versions they had are not given out again.
pub fn remove_orphans(state: &State, renewed: &str) -> Result<()> {
    let mut orphans = Vec::new();
    let mut list = state.store.connection.prepare(sql::ORPHANS)?;
    list.bind(1, ValueRef::Text(renewed.as_bytes()))?;
    while list.step()? {
        orphans.push(TableId(list.integer(0)));
    }
    if !orphans.is_empty() {
        state.keep_version_floor()?;
    }
    orphans.into_iter().try_for_each(|id| unregister(state, id))
}

/// Makes a table's triggers anew, so that they name all its columns.
pub fn make_triggers(state: &State, id: TableId) -> Result<()> {
    match state.table(id)? {
        Some(crr) if crr.sessions == 0 => replace_triggers(state, &crr, Phase::Steady),
        _ => Ok(()),
    }
}

/// Registers a table as it is declared, outside of any session, and makes its triggers anew.
pub fn settle(state: &State, crr: &Crr) -> Result<()> {
    drop_triggers(state, crr.id)?;
    let has_rows = !crr.added.is_empty() && state.has_rows_beside(crr, None)?;
    state.register(crr, has_rows)?;
    replace_triggers(state, &*state.reread(crr)?, Phase::Steady)
}

/// Replaces a table's triggers by those of a phase.
pub fn replace_triggers(state: &State, crr: &Crr, phase: Phase) -> Result<()> {
    let connection = state.store.connection;
    drop_triggers(state, crr.id)?;
    for statement in triggers::creation(crr, state.database()?, phase) {
        connection.execute(&statement)?;
    }
    let mut columns = crr.columns.clone();
    for column in &mut columns {
        column.is_captured = phase == Phase::Steady;
    }
    keep_former_names(connection, crr)?;
    write_columns(connection, crr.id, &columns)?;
    state.forget_tables();
    Ok(())
}

fn drop_triggers(state: &State, id: TableId) -> Result<()> {
    let connection = state.store.connection;
    let mut triggers = Vec::new();
    let mut list = connection.prepare(sql::TRIGGERS)?;
    list.bind_all([ValueRef::Integer(id.0)])?;
    while list.step()? {
        triggers.push(list.text(0));
    }
    for trigger in triggers {
        connection.execute(&sql::fill(
            sql::TRIGGER_DROP,
            &[("trigger", Part::Name(&trigger))],
        ))?;
    }
    Ok(())
}
