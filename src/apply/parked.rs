//! Changes of tables and columns that are not here yet: they wait, and are merged when the schema arrives.
//!
//! Of each cell only the change that wins is kept, by the rule of the merge itself, so that what waits does
//! not grow with repetition, and in the end the row is what it would be had the schema been there.

use super::apply_change;
use super::incoming::{self, Received, Unknown};
use crate::crdt::change::{CausalLength, ColumnVersion, SENTINEL};
use crate::crdt::merge::{EqualValues, settles_tie};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::Statement;
use crate::state::State;
use crate::store::Slot;

/// Refuses a change that could only be parked, where the setting says so.
pub(super) fn check(state: &State, unknown: &Unknown<'_>) -> Result<()> {
    match state.refuses_unknown()? {
        true => Err(Error::Change(format!(
            "{} before merging its changes",
            unknown.missing
        ))),
        false => Ok(()),
    }
}

/// Parks a change.
pub(super) fn park(state: &State, unknown: &Unknown<'_>, value: ValueRef<'_>) -> Result<()> {
    let connection = state.store.connection;
    let place = [
        ValueRef::Text(unknown.table.as_bytes()),
        ValueRef::Blob(unknown.pk),
        ValueRef::Text(unknown.cid.as_bytes()),
    ];
    let held = connection
        .prepare(sql::PARKED_GET)?
        .first(place, |row| wins(state, unknown, value, row))?;
    if !held.transpose()?.unwrap_or(true) {
        return Ok(());
    }
    let local = state.site_id()?;
    connection.prepare(sql::PARKED_PUT)?.run([
        place[0],
        place[1],
        place[2],
        value,
        ValueRef::Integer(unknown.claim.to_sql()),
        ValueRef::Integer(unknown.version.to_sql()),
        ValueRef::Blob(unknown.site.unwrap_or(&local)),
        ValueRef::Integer(unknown.cl.to_sql()),
        ValueRef::Integer(unknown.seq.to_sql()),
    ])?;
    Ok(())
}

/// Whether a change beats the one that waits already.
fn wins(
    state: &State,
    unknown: &Unknown<'_>,
    value: ValueRef<'_>,
    held: &Statement,
) -> Result<bool> {
    let held_cl = CausalLength(held.integer(0) as u64);
    let held_version = ColumnVersion(held.integer(1) as u64);
    let order = unknown.cl.cmp(&held_cl);
    let is_cell = unknown.cl.is_live() && unknown.cid != SENTINEL;
    if !order.is_eq() || !is_cell {
        return Ok(order.is_gt());
    }
    let order = unknown.claim.cmp(&held_version);
    if !order.is_eq() {
        return Ok(order.is_gt());
    }
    let local = state.site_id()?;
    let equal = match (state.merges_equal_values()?, held.value(3)) {
        (true, ValueRef::Blob(held)) => EqualValues::LargerSite {
            held,
            incoming: unknown.site.unwrap_or(&local),
        },
        _ => EqualValues::KeepLocal,
    };
    Ok(settles_tie(held.value(2), value, equal))
}

/// Merges what waited for a table or column that is here now. What the table refuses stays, with the reason.
pub fn replay(state: &State) -> Result<()> {
    let connection = state.store.connection;
    let any = |parked: &mut Statement| parked.first([], |_| ());
    if state.store.with(Slot::ParkedAny, any)?.is_none() {
        return Ok(());
    }
    let mut due: Vec<String> = Vec::new();
    let mut next = connection.prepare(sql::PARKED_NEXT_COLUMN)?;
    let mut place = (String::new(), String::new());
    while let Some((table, cid)) = next.first(texts([&place.0, &place.1]), |row| {
        (row.text(0), row.text(1))
    })? {
        if due.last() != Some(&table) && is_known(state, &table, &cid)? {
            due.push(table.clone());
        }
        place = (table, cid);
    }
    due.iter().try_for_each(|table| replay_table(state, table))
}

fn texts(texts: [&str; 2]) -> [ValueRef<'_>; 2] {
    texts.map(|text| ValueRef::Text(text.as_bytes()))
}

fn is_known(state: &State, table: &str, cid: &str) -> Result<bool> {
    let Some(crr) = state.table_by_any_name(table)? else {
        return Ok(false);
    };
    let is_added =
        |added: &crate::schema::inspect::DeclaredColumn| added.name.eq_ignore_ascii_case(cid);
    Ok(cid == SENTINEL || crr.column(cid).is_some() || crr.added.iter().any(is_added))
}

/// The columns of a parked change.
const COLUMNS: usize = 9;

fn replay_table(state: &State, table: &str) -> Result<()> {
    let connection = state.store.connection;
    let mut next = connection.prepare(sql::PARKED_OF_TABLE)?;
    let mut remove = connection.prepare(sql::PARKED_REMOVE)?;
    let mut refuse = connection.prepare(sql::PARKED_REFUSE)?;
    let mut place = (Vec::new(), Vec::new());
    // From here on the end of the transaction is noticed.
    state.enlist()?;
    let epoch = state.epoch();
    loop {
        let after = [
            ValueRef::Text(table.as_bytes()),
            ValueRef::Blob(&place.0),
            ValueRef::Text(&place.1),
        ];
        let row = next.first(after, |row| {
            (0..COLUMNS)
                .map(|column| row.value(column).to_owned())
                .collect::<Vec<Value>>()
        })?;
        let Some(row) = row else {
            return Ok(());
        };
        let values =
            std::array::from_fn(|column| row.get(column).map_or(ValueRef::Null, Value::as_ref));
        let name = [values[0], values[1], values[2]];
        match incoming::read(state, &values) {
            Ok(Received::UnknownTable(_) | Received::UnknownColumn(..)) => {}
            Ok(Received::Change(change)) => match apply_change(state, &change) {
                Ok(_) => drop(remove.run(name)?),
                // A trigger of the application rolled back, with RAISE(ROLLBACK), what the note would be part of.
                Err(error) if state.epoch() != epoch => return Err(error),
                Err(error) => note_refusal(&mut refuse, name, error)?,
            },
            Err(error) => note_refusal(&mut refuse, name, error)?,
        }
        if let (Some(Value::Blob(pk)), Some(Value::Text(cid))) = (row.get(1), row.get(2)) {
            place = (pk.clone(), cid.clone());
        }
    }
}

/// A change that its table refuses waits on: a migration must not fail for it. Any other error is one.
fn note_refusal(refuse: &mut Statement, name: [ValueRef<'_>; 3], error: Error) -> Result<()> {
    if !error.is_refusal() {
        return Err(error);
    }
    let reason = error.to_string();
    refuse.run([name[0], name[1], name[2], ValueRef::Text(reason.as_bytes())])?;
    Ok(())
}

/// As `replay`, and what was refused before gets another try.
pub fn retry(state: &State) -> Result<()> {
    state.store.connection.prepare(sql::PARKED_RETRY)?.run([])?;
    replay(state)
}
