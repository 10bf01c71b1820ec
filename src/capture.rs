//! Recording local writes. Called by the triggers of a replicated table, once a row.
//!
//! By the time a trigger runs, triggers of the application may have changed or removed the row again: what
//! is recorded always agrees with what the record and the table say then.

use crate::crdt::change::{CausalLength, ColumnId, ColumnVersion, SiteOrdinal, TableId};
use crate::crdt::clock::{Base, RowClock};
use crate::crdt::value::Value;
use crate::error::{Error, Result};
use crate::schema::triggers::COLUMNS_PER_SET;
use crate::schema::{Crr, Key};
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::state::deferred::{ColumnSet, Deferred};
use crate::state::notes::Note;
use std::rc::Rc;

const LOCAL: SiteOrdinal = SiteOrdinal::LOCAL;

/// The arguments before the key: the database and the table.
const IDENTITY_ARGUMENTS: usize = 2;

/// A trigger's report: the table, and the arguments from the key on.
fn table<'a>(state: &State, arguments: Arguments<'a>) -> Result<(Rc<Crr>, Arguments<'a>)> {
    if arguments.len() <= IDENTITY_ARGUMENTS {
        return Err(Error::Usage(
            "the crsql_capture functions are for the triggers that crsql_as_crr makes; don't call them".to_owned(),
        ));
    }
    let crr = match arguments.integer(0) == state.database() {
        true => state.table(TableId(arguments.integer(1)))?,
        false => None,
    };
    let crr = crr.ok_or_else(|| {
        Error::Table(
            "this replicated table is not one of the main database: its writes can be recorded only where its \
             file is opened as main; open it on a connection of its own"
                .to_owned(),
        )
    })?;
    Ok((crr, arguments.from(IDENTITY_ARGUMENTS)))
}

/// Whether a merge made the write, so that there is nothing to record, and no note to take either.
fn is_merged(state: &State, arguments: Arguments<'_>) -> bool {
    arguments.len() > IDENTITY_ARGUMENTS
        && state.is_merging_without_notes()
        && arguments.integer(0) == state.database()
}

/// Gets ready to record a write.
fn begin(state: &State, crr: &Rc<Crr>) -> Result<()> {
    crr.check_drift()?;
    state.enlist()?;
    state.flush_held()?;
    state.relieve()
}

/// BEFORE INSERT, BEFORE UPDATE: the new key is there already.
pub fn existing(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state, arguments) {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    if state.is_capturing() {
        state.enlist()?;
        state.leave_note(crr.id, crr.key_of(arguments)?, Note::Existing);
        state.settle();
    }
    Ok(Value::Null)
}

/// AFTER INSERT.
pub fn insert(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state, arguments) {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let key = crr.key_of(arguments)?;
    let note = state.take_note(crr.id, &key);
    if state.is_capturing() && note != Some(Note::Recorded) {
        begin(state, &crr)?;
        record_insert(state, &crr, &key, note == Some(Note::Existing))?;
        state.settle();
    }
    Ok(Value::Null)
}

fn record_insert(state: &State, crr: &Rc<Crr>, key: &Key, was_there: bool) -> Result<()> {
    match state.find_clock(crr, key)? {
        None if was_there => record_replace(state, crr, key, RowClock::pristine()),
        None => record_first_insert(state, crr, key),
        Some(clock) if !clock.cl.is_live() => {
            if state.row_exists(crr, key)? {
                record_new_life(state, crr, key, clock)
            } else {
                Ok(())
            }
        }
        // A trigger of the application updated the new row before this one ran.
        Some(clock) if !was_there && clock.base == Base::Pristine => {
            record_first_insert(state, crr, key)
        }
        Some(clock) => record_replace(state, crr, key, clock),
    }
}

fn record_first_insert(state: &State, crr: &Rc<Crr>, key: &Key) -> Result<()> {
    let at = state.reserve(crr.insert_stride())?;
    state.log_first_insert(crr, key, at, LOCAL)
}

/// The row was deleted before and is there again.
fn record_new_life(state: &State, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
    state.start_new_life(crr, &mut clock)?;
    state.save_clock(crr, key, clock)
}

/// The row was replaced by one of the same key: a write of every column.
fn record_replace(state: &State, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
    if crr.columns.is_empty() {
        return Ok(());
    }
    let at = state.reserve(crr.columns.len() as u64)?;
    let versions = next_versions(crr, &clock);
    clock.base = Base::Unset;
    clock.set_cells(at, LOCAL, versions.into_iter());
    state.save_clock(crr, key, clock)
}

fn all_cells(
    crr: &Crr,
    version: impl Fn(ColumnId) -> ColumnVersion,
) -> impl Iterator<Item = (ColumnId, ColumnVersion)> {
    crr.columns
        .iter()
        .map(move |column| (column.id, version(column.id)))
}

fn next_versions(crr: &Rc<Crr>, clock: &RowClock) -> Vec<(ColumnId, ColumnVersion)> {
    all_cells(crr, |column| {
        clock.column_version(column).unwrap_or_default().next()
    })
    .collect()
}

/// AFTER UPDATE.
pub fn update(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state, arguments) {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let key_arguments = crr.key_arguments().count();
    let old_key = crr.key_of(arguments)?;
    let is_same = arguments
        .take(key_arguments)
        .iter()
        .eq(arguments.from(key_arguments).take(key_arguments).iter());
    let moved_to = match is_same {
        true => None,
        false => Some(crr.key_of(arguments.from(key_arguments))?).filter(|new| *new != old_key),
    };
    let is_moved = moved_to.is_some();
    let sets = arguments.from(2 * key_arguments);
    if is_moved && !sets.is_empty() && crr.columns.len() > COLUMNS_PER_SET {
        // The trigger of the key records the whole row.
        return Ok(Value::Null);
    }
    let note = state.take_note(crr.id, moved_to.as_ref().unwrap_or(&old_key));
    if is_moved {
        state.take_note(crr.id, &old_key);
    }
    if !state.is_capturing() {
        return Ok(Value::Null);
    }
    if let Some(new_key) = moved_to {
        begin(state, &crr)?;
        record_move(
            state,
            &crr,
            &old_key,
            &new_key,
            note == Some(Note::Existing),
        )?;
    } else {
        let changed = changed_columns(&crr, sets);
        if changed.is_empty() {
            return crr.check_drift().map(|()| Value::Null);
        }
        begin(state, &crr)?;
        record_update(state, &crr, old_key, &changed)?;
    }
    state.settle();
    Ok(Value::Null)
}

/// The columns of the set that changed, if the trigger hands one over.
fn changed_columns(crr: &Rc<Crr>, arguments: Arguments<'_>) -> Vec<ColumnId> {
    let (first, bits) = (arguments.integer(0) as usize, arguments.integer(1));
    let columns = crr
        .columns
        .get(first..)
        .unwrap_or_default()
        .iter()
        .take(COLUMNS_PER_SET);
    let is_set = |bit: usize| bits >> bit & 1 == 1;
    columns
        .enumerate()
        .filter(|(bit, _)| is_set(*bit))
        .map(|(_, column)| column.id)
        .collect()
}

fn record_update(state: &State, crr: &Rc<Crr>, key: Key, changed: &[ColumnId]) -> Result<()> {
    if let Some(columns) = ColumnSet::of(changed)
        && state.may_defer(crr, &key)
    {
        let at = state.reserve(changed.len() as u64)?;
        return state.defer(crr, key, Deferred::Update(at, columns));
    }
    let key = &key;
    let mut clock = state
        .find_clock(crr, key)?
        .unwrap_or_else(RowClock::pristine);
    if !clock.cl.is_live() {
        // Triggers of the application ran first: they deleted the row, or they updated a new row
        // before its insert was recorded.
        if !state.row_exists(crr, key)? {
            return Ok(());
        }
        record_new_life(state, crr, key, clock)?;
        state.leave_note(crr.id, key.clone(), Note::Recorded);
        clock = state
            .find_clock(crr, key)?
            .unwrap_or_else(RowClock::pristine);
    }
    let at = state.reserve(changed.len() as u64)?;
    let next = |column: &ColumnId| clock.column_version(*column).unwrap_or_default().next();
    let versions: Vec<_> = changed
        .iter()
        .map(|column| (*column, next(column)))
        .collect();
    clock.set_cells(at, LOCAL, versions.into_iter());
    state.save_clock(crr, key, clock)
}

/// The row got another key: every cell is written under the new one, and the old one is deleted. The seqs
/// come in this order: cells, end of the old key, beginning of the new.
fn record_move(
    state: &State,
    crr: &Rc<Crr>,
    old_key: &Key,
    new_key: &Key,
    was_there: bool,
) -> Result<()> {
    let old = state
        .find_clock(crr, old_key)?
        .unwrap_or_else(RowClock::pristine);
    let known = state.find_clock(crr, new_key)?;
    let is_gone_again = known.as_ref().is_some_and(|clock| !clock.cl.is_live())
        && !state.row_exists(crr, new_key)?;
    if is_gone_again {
        return record_delete(state, crr, old_key);
    }
    let replaced = match known {
        Some(clock) => clock,
        None if was_there => RowClock::pristine(),
        None => RowClock::unknown(),
    };
    let outlived = |column| {
        let held = replaced
            .column_version(column)
            .filter(|_| replaced.cl == CausalLength::FIRST_LIFE);
        old.column_version(column)
            .unwrap_or_default()
            .max(held.unwrap_or_default())
    };
    let versions: Vec<_> = all_cells(crr, |column| outlived(column).next()).collect();
    let cl = match replaced.cl {
        CausalLength::UNKNOWN | CausalLength::FIRST_LIFE if replaced.sentinel.is_none() => {
            CausalLength::FIRST_LIFE
        }
        CausalLength::FIRST_LIFE => CausalLength::FIRST_LIFE,
        later => later.next_create(),
    };
    let cells_at = state.reserve(versions.len() as u64)?;
    record_delete(state, crr, old_key)?;
    let sentinel_at = state.reserve(1)?;
    if crr.columns.is_empty() && replaced.cl == CausalLength::UNKNOWN {
        return state.log_first_insert(crr, new_key, sentinel_at, LOCAL);
    }
    let mut clock = replaced;
    clock.forget_cells();
    clock.set_cells(cells_at, LOCAL, versions.into_iter());
    clock.set_sentinel(cl, sentinel_at, LOCAL);
    state.save_clock(crr, new_key, clock)
}

/// AFTER DELETE.
pub fn delete(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state, arguments) {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let key = crr.key_of(arguments)?;
    state.take_note(crr.id, &key);
    if state.is_capturing() {
        begin(state, &crr)?;
        record_delete(state, &crr, &key)?;
        state.settle();
    }
    Ok(Value::Null)
}

fn record_delete(state: &State, crr: &Rc<Crr>, key: &Key) -> Result<()> {
    if state.may_defer(crr, key) {
        return state.defer(crr, key.clone(), Deferred::Delete(state.reserve(1)?));
    }
    let mut clock = state
        .find_clock(crr, key)?
        .unwrap_or_else(RowClock::pristine);
    if state.has_other_triggers() && state.row_exists(crr, key)? {
        // A trigger of the application made the row again before this one ran.
        clock.cl = clock.cl.next_delete();
        return record_new_life(state, crr, key, clock);
    }
    clock.start_over(clock.cl.next_delete(), state.reserve(1)?, LOCAL);
    state.save_clock(crr, key, clock)
}
