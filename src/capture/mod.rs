//! Recording local writes. Called by the triggers of a replicated table, once a row.
//!
//! By the time a trigger runs, triggers of the application may have changed or removed the row again: what
//! is recorded always agrees with what the record and the table say then.

mod update;

pub use update::{after, before, update, update_set};

use crate::crdt::change::{ColumnId, ColumnVersion, SiteOrdinal, TableId};
use crate::crdt::clock::{Base, RowClock};
use crate::crdt::value::Value;
use crate::error::{Error, Result};
use crate::schema::triggers::IDENTITY_ARGUMENTS;
use crate::schema::{Crr, Key};
use crate::sqlite::value::Arguments;
use crate::state::deferred::Deferred;
use crate::state::notes::Note;
use crate::state::tables::has_other_triggers;
use crate::state::{Reported, State};
use std::rc::Rc;

const LOCAL: SiteOrdinal = SiteOrdinal::LOCAL;

/// A trigger's report: the table, and the arguments from the key on.
fn table<'a>(state: &State, arguments: Arguments<'a>) -> Result<(Rc<Crr>, Arguments<'a>)> {
    if arguments.len() <= IDENTITY_ARGUMENTS {
        return Err(Error::Usage(
            "the crsql_capture functions are for the triggers that crsql_as_crr makes; don't call them".to_owned(),
        ));
    }
    let id = TableId(arguments.integer(1));
    let crr = match state.table_of_trigger(arguments.integer(0), id)? {
        Reported::Table(crr) => crr,
        Reported::Elsewhere => {
            return Err(Error::Table(
                "this replicated table is not one of the main database: its writes can be recorded only where its \
                 file is opened as main; open it on a connection of its own"
                    .to_owned(),
            ));
        }
        Reported::Lost => {
            return Err(Error::Table(
                "this table has lost capture triggers, so that its writes can't all be recorded; call \
                 crsql_check() to see which it is, and crsql_adopt('table') to mend it"
                    .to_owned(),
            ));
        }
    };
    Ok((crr, arguments.from(IDENTITY_ARGUMENTS)))
}

/// Gets ready to record a write: gives the table with all its columns. `newcomer` is a row that was just
/// inserted.
fn begin(state: &State, crr: &Rc<Crr>, newcomer: Option<&Key>) -> Result<Rc<Crr>> {
    state.enlist()?;
    state.flush_held()?;
    state.relieve()?;
    state.registered(crr, newcomer)
}

/// A write could not be recorded, by a function after whose errors SQLite may keep what the statement wrote: the
/// transaction must not be committed.
pub fn after_error(state: &Rc<State>, error: Error) -> Error {
    // A call by hand, in a SELECT, is no write.
    if !state.store.connection.is_running_write() {
        return error;
    }
    match state.enlist() {
        Ok(()) => {
            state.doom();
            error
        }
        Err(_) => error.ending_transaction(),
    }
}

/// Triggers of the application run between a write and its capture. One that fails must not leave the write behind:
/// only a journal helps there. The running statement was compiled without one.
pub fn wants_journal(state: &State) -> Result<bool> {
    let wants_journal = state.has_other_triggers()?;
    if wants_journal {
        state.lacks_journals.set(true);
    }
    Ok(wants_journal)
}

/// The same at load, before anything is known of the schema; a schema that can't be read may hold triggers.
pub fn finds_other_triggers(state: &State) -> bool {
    has_other_triggers(&state.store).unwrap_or(true)
}

/// BEFORE INSERT, BEFORE UPDATE: the new key is there already.
pub fn existing(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if state.is_merging() {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    if state.is_capturing() {
        state.enlist()?;
        let crr = state.registered(&crr, None)?;
        let key = crr.key_of(arguments)?;
        let late = state.late_in_row(&crr, &key)?;
        state.leave_note(crr.id, key, Note::Existing(late));
    }
    Ok(Value::Null)
}

/// Whether a merge makes the write, and nobody else can: then there is nothing to record and no note to take.
fn is_merged(state: &State) -> Result<bool> {
    Ok(state.is_merging() && !state.has_notes() && !state.has_other_triggers()?)
}

/// AFTER INSERT.
pub fn insert(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state)? {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let key = crr.key_of(arguments)?;
    let note = state.take_note(crr.id, &key);
    if !state.is_capturing() {
        state.note_unrecorded(&crr, &key)?;
        return Ok(Value::Null);
    }
    if note == Some(Note::Recorded) {
        return Ok(Value::Null);
    }
    // The trigger knows the columns that were captured before it noticed others.
    let late = arguments.from(crr.key_arguments().count());
    let holds_late = !crr.late_of(late).is_empty();
    let crr = begin(state, &crr, Some(&key))?;
    let new = NewRow {
        crr: &crr,
        key: &key,
        needs_record: holds_late || crr.has_uncaptured_late(),
    };
    match note {
        Some(Note::Existing(late)) => record_insert(state, &new, Some(late))?,
        _ => record_insert(state, &new, None)?,
    }
    state.settle();
    Ok(Value::Null)
}

/// A row that was inserted.
struct NewRow<'a> {
    crr: &'a Rc<Crr>,
    key: &'a Key,
    /// Whether some late column holds its default, as the rows do that were there before the column
    needs_record: bool,
}

/// `replaced` are the late columns that held their default in the row that was there, if one was.
fn record_insert(state: &State, new: &NewRow<'_>, replaced: Option<Vec<ColumnId>>) -> Result<()> {
    let (crr, key) = (new.crr, new.key);
    match (state.find_clock(crr, key)?, replaced) {
        (None, Some(late)) => record_replace(state, crr, key, pristine(late)),
        (None, None) => record_first_insert(state, new),
        (Some(clock), _) if !clock.cl.is_live() => {
            if state.row_exists(crr, &crr.key_values(key)?)? {
                record_new_life(state, crr, key, clock)
            } else {
                Ok(())
            }
        }
        // A trigger of the application updated the new row before this one ran.
        (Some(mut clock), None) if clock.base == Base::Pristine => {
            record_first_insert(state, new)?;
            clock.base = Base::PristineTo(crr.next_column);
            state.save_clock(crr, key, clock)
        }
        (Some(mut clock), late) => {
            clock.uncovered = late.unwrap_or_default();
            record_replace(state, crr, key, clock)
        }
    }
}

/// The clock of a row without a record, given the late columns that hold their default.
fn pristine(late: Vec<ColumnId>) -> RowClock {
    RowClock {
        uncovered: late,
        ..RowClock::pristine()
    }
}

fn record_first_insert(state: &State, new: &NewRow<'_>) -> Result<()> {
    let (crr, key) = (new.crr, new.key);
    let at = state.reserve(crr.insert_stride())?;
    state.log_first_insert(crr, key, at, LOCAL)?;
    match new.needs_record {
        true => state.save_clock(crr, key, RowClock::inserted_with(crr.next_column)),
        false => Ok(()),
    }
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

/// AFTER DELETE.
pub fn delete(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if is_merged(state)? {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let key = crr.key_of(arguments)?;
    state.take_note(crr.id, &key);
    if !state.is_capturing() {
        state.note_unrecorded(&crr, &key)?;
        return Ok(Value::Null);
    }
    let crr = begin(state, &crr, None)?;
    record_delete(state, &crr, &key)?;
    state.settle();
    Ok(Value::Null)
}

fn record_delete(state: &State, crr: &Rc<Crr>, key: &Key) -> Result<()> {
    let Some(key) = state.defer(crr, key.clone(), 1, Deferred::Delete)? else {
        return Ok(());
    };
    let key = &key;
    let mut clock = state
        .find_clock(crr, key)?
        .unwrap_or_else(RowClock::pristine);
    if state.has_other_triggers()? && state.row_exists(crr, &crr.key_values(key)?)? {
        // A trigger of the application made the row again before this one ran.
        clock.cl = clock.cl.next_delete();
        return record_new_life(state, crr, key, clock);
    }
    clock.start_over(clock.cl.next_delete(), state.reserve(1)?, LOCAL);
    state.save_clock(crr, key, clock)
}
