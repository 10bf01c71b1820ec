//! The registration of replicated tables, and their triggers.

use super::rebuilt;
use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::Crr;
use crate::schema::crr::rows_table;
use crate::schema::inspect::DeclaredTable;
use crate::schema::matching::History;
use crate::schema::registry::{
    RegisteredColumn, RegisteredTable, keep_former_names, write_columns,
};
use crate::schema::triggers::{self, Phase};
use crate::sql::{self, Part};
use crate::state::State;
use crate::state::registry::PLACE_IN_SESSION;

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

/// Ends the alter session of a table that was dropped in it, where another of its name begins anew.
pub fn end_lost_session(state: &State, name: &str) -> Result<()> {
    let connection = state.store.connection;
    let argument = [ValueRef::Text(name.as_bytes())];
    let lost = connection
        .prepare(sql::SESSION_BY_NAME)?
        .first(argument, |row| TableId(row.integer(0)))?;
    match lost {
        Some(id) if state.table(id)?.is_none() => leave_behind(state, id),
        _ => Ok(()),
    }
}

/// Leaves a registered table that is gone to `remove_orphans`: inside of a COMMIT no table can be dropped.
pub fn leave_behind(state: &State, id: TableId) -> Result<()> {
    let connection = state.store.connection;
    let Some(mut table) = RegisteredTable::read(connection, id)? else {
        return Ok(());
    };
    table.sessions = 0;
    table.write(connection, id)
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

/// Whether columns that are to be registered were written already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    No,
    MayBe,
}

/// Registers a table as it is declared, outside of any session, and makes its triggers anew.
pub fn settle(state: &State, crr: &Crr, written: Written) -> Result<()> {
    drop_triggers(state, crr.id)?;
    let has_rows = !crr.added.is_empty() && state.has_rows_beside(crr, None)?;
    state.register(crr, has_rows)?;
    let registered = state.reread(crr)?;
    replace_triggers(state, &registered, Phase::Steady)?;
    match written {
        Written::MayBe => rebuilt::record_new_columns(state, crr, &registered),
        Written::No => Ok(()),
    }
}

/// The table without the columns that came in a session, where nobody can tell what became of them; none where
/// all is clear. They are found by their names only, and a name may have been changed and given to another.
pub fn without_unclear(state: &State, crr: &Crr, declared: &DeclaredTable) -> Result<Option<Crr>> {
    let connection = state.store.connection;
    let mut registered = RegisteredColumn::read_all(connection, crr.id)?;
    let mut came: Vec<_> = registered
        .extract_if(.., |column| column.place >= PLACE_IN_SESSION)
        .collect();
    came.sort_by_key(|column| column.id);
    // Columns are appended, so they stand in the order of their ids, and those without an id stand last.
    let place_of = |index: usize| crr.columns[index].place;
    let mut places: Vec<Option<i64>> = came
        .iter()
        .map(|column| crr.column_by_id(column.id).map(place_of))
        .collect();
    let is_known = crr.added.is_empty() || !places.contains(&None);
    places.retain(Option::is_some);
    places.extend(crr.added.iter().map(|added| Some(added.place)));
    if is_known && places.is_sorted_by(|a, b| a < b) {
        return Ok(None);
    }
    let names = triggers::marked_columns(connection, crr.id)?.unwrap_or_default();
    let (id, table) = (crr.id, crr.registration());
    let history = History::Followed(&names);
    Ok(Some(Crr::altered(
        id,
        declared,
        &table,
        &registered,
        history,
    )))
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

/// Whether somebody dropped triggers of the table.
pub fn lacks_triggers(state: &State, crr: &Crr) -> Result<bool> {
    let made = triggers::creation(crr, state.database()?, Phase::Steady).len();
    Ok(crr.sessions == 0 && trigger_names(state, crr.id)?.len() < made)
}

fn trigger_names(state: &State, id: TableId) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut list = state.store.connection.prepare(sql::TRIGGERS)?;
    list.bind_all([ValueRef::Integer(id.0)])?;
    while list.step()? {
        names.push(list.text(0));
    }
    Ok(names)
}

fn drop_triggers(state: &State, id: TableId) -> Result<()> {
    let connection = state.store.connection;
    for trigger in trigger_names(state, id)? {
        connection.execute(&sql::fill(
            sql::TRIGGER_DROP,
            &[("trigger", Part::Name(&trigger))],
        ))?;
    }
    Ok(())
}
