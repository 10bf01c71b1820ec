//! Recording updates: what changed, and whether the row got another key.

use super::{LOCAL, all_cells, begin, is_merged, pristine, record_delete, record_new_life, table};
use crate::crdt::change::{CausalLength, ColumnId};
use crate::crdt::clock::RowClock;
use crate::crdt::value::Value;
use crate::error::Result;
use crate::schema::crr::slot;
use crate::schema::triggers::COLUMNS_PER_SET;
use crate::schema::{Crr, Key, late};
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::state::deferred::{ColumnSet, Deferred};
use crate::state::notes::Note;
use std::rc::Rc;

/// What an update did to a row.
struct Update {
    /// Its key now
    key: Key,
    /// Its key before, if that was another
    moved_from: Option<Key>,
    /// The columns that changed, as far as the trigger names them
    changed: Vec<ColumnId>,
    /// Whether no other column can have changed, or another trigger asks for those
    names_all: bool,
    /// The late columns that held their default before
    late: Vec<ColumnId>,
}

/// What a trigger tells of the columns that it names: from the first of these on, a bit for each that changed.
#[derive(Debug, Clone, Copy)]
struct Told {
    first: usize,
    bits: u64,
}

impl Told {
    /// From each column before and after.
    fn by_values(arguments: Arguments<'_>) -> Told {
        let changed = |place: &usize| {
            let (old, new) = (arguments.get(2 * place), arguments.get(2 * place + 1));
            !late::is_same(old, new)
        };
        let places = (0..arguments.len() / 2).filter(changed);
        Told {
            first: 0,
            bits: places.fold(0, |bits, place| bits | 1 << place),
        }
    }

    /// From the place of a column and a set of those from there on; no set is an empty one.
    fn by_set(arguments: Arguments<'_>) -> Told {
        Told {
            first: arguments.integer(0).max(0) as usize,
            bits: arguments.integer(1) as u64,
        }
    }

    fn columns(self, crr: &Crr) -> Vec<ColumnId> {
        let captured = crr.captured().skip(self.first).take(COLUMNS_PER_SET);
        let is_set = |bit: usize| self.bits >> bit & 1 == 1;
        captured
            .enumerate()
            .filter(|(bit, _)| is_set(*bit))
            .map(|(_, column)| column.id)
            .collect()
    }

    /// The same as a set; none if one of them has no place there.
    fn column_set(self, crr: &Crr) -> Option<ColumnSet> {
        match crr.captured_ids() {
            Some(ids) if self.first == 0 => Some(ColumnSet::of_bits(self.bits & ids)),
            _ => ColumnSet::of(&self.columns(crr)),
        }
    }
}

/// AFTER UPDATE, of a table whose columns are few enough for their values to be handed over.
pub fn update(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    capture_update(state, arguments, Told::by_values)
}

/// AFTER UPDATE, of any other table.
pub fn update_set(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    capture_update(state, arguments, Told::by_set)
}

fn capture_update(
    state: &Rc<State>,
    arguments: Arguments<'_>,
    told: fn(Arguments<'_>) -> Told,
) -> Result<Value> {
    if is_merged(state)? {
        return Ok(Value::Null);
    }
    let (crr, arguments) = table(state, arguments)?;
    let (key, moved_from, rest) = moved_keys(&crr, arguments)?;
    let (late, columns) = (
        rest.take(crr.late_arguments()),
        rest.from(crr.late_arguments()),
    );
    let is_one_of_many = !columns.is_empty() && crr.captured().len() > COLUMNS_PER_SET;
    if moved_from.is_some() && is_one_of_many {
        // The trigger of all updates records the whole row.
        return Ok(Value::Null);
    }
    let names_all = is_one_of_many || !crr.is_unregistered && !crr.has_uncaptured();
    let told = told(columns);
    let mut key = key;
    if names_all
        && moved_from.is_none()
        && is_plain(state, &crr)
        && let Some(columns) = told.column_set(&crr)
    {
        if columns.is_empty() {
            return Ok(Value::Null);
        }
        let crr = begin(state, &crr, None)?;
        match defer_update(state, &crr, key, columns)? {
            Some(refused) => key = refused,
            None => {
                state.settle();
                return Ok(Value::Null);
            }
        }
    }
    let update = Update {
        changed: told.columns(&crr),
        names_all,
        late: crr.late_of(late),
        key,
        moved_from,
    };
    record(state, &crr, update)
}

/// Whether an update may be recorded at once: it is captured, and nothing was noted of any row.
fn is_plain(state: &State, crr: &Crr) -> bool {
    crr.sessions == 0 && state.is_capturing() && !state.has_notes()
}

/// The key after an update, the one before it if that was another, and the arguments behind them.
fn moved_keys<'a>(
    crr: &Crr,
    arguments: Arguments<'a>,
) -> Result<(Key, Option<Key>, Arguments<'a>)> {
    let count = crr.key_arguments().count();
    let (old, new) = (arguments.take(count), arguments.from(count).take(count));
    let key = crr.key_of(new)?;
    let moved_from = match old.iter().eq(new.iter()) {
        true => None,
        false => Some(crr.key_of(old)?).filter(|old| *old != key),
    };
    Ok((key, moved_from, arguments.from(2 * count)))
}

/// BEFORE UPDATE in an alter session: keeps the row to compare it with what comes of it.
pub fn before(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let (crr, arguments) = table(state, arguments)?;
    if state.is_capturing() {
        let crr = begin(state, &crr, None)?;
        let key = crr.key_of(arguments)?;
        if let Some(values) = cells(state, &crr, &key)? {
            state.keep_before(crr.id, key, values);
        }
    }
    Ok(Value::Null)
}

/// AFTER UPDATE in an alter session.
pub fn after(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let (crr, arguments) = table(state, arguments)?;
    let (key, moved_from, _) = moved_keys(&crr, arguments)?;
    let old = state.take_before(crr.id, moved_from.as_ref().unwrap_or(&key));
    let new = cells(state, &crr, &key)?;
    let (mut changed, mut late) = (Vec::new(), Vec::new());
    for (index, column) in crr.columns.iter().enumerate() {
        let value_of =
            |row: &Option<Vec<Value>>| row.as_ref().and_then(|row| row.get(index).cloned());
        let (old, new) = (value_of(&old), value_of(&new));
        // Without the row as it was, every column counts as changed.
        let is_same = old.is_some() && same(&old, &new);
        if !is_same {
            changed.push(column.id);
        }
        let held = old.as_ref().zip(column.late.as_ref());
        if held.is_some_and(|(old, default)| late::holds(old.as_ref(), default)) {
            late.push(column.id);
        }
    }
    let update = Update {
        key,
        moved_from,
        changed,
        names_all: true,
        late,
    };
    record(state, &crr, update)
}

/// As SQLite compares values of one class: 0.0 is -0.0.
fn same(old: &Option<Value>, new: &Option<Value>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => late::is_same(old.as_ref(), new.as_ref()),
        _ => false,
    }
}

/// The replicated columns of a row.
fn cells(state: &State, crr: &Crr, key: &Key) -> Result<Option<Vec<Value>>> {
    let values = crr.key_values(key)?;
    let text = || crr.row_get_sql();
    crr.statements
        .with(slot::ROW_GET, state.store.connection, text, |get| {
            get.first(values.iter().map(Value::as_ref), |row| {
                let columns = 0..crr.columns.len();
                columns.map(|column| row.value(column).to_owned()).collect()
            })
        })
}

fn record(state: &State, crr: &Rc<Crr>, mut update: Update) -> Result<Value> {
    let note = state.take_note(crr.id, &update.key);
    if let Some(old_key) = &update.moved_from {
        state.take_note(crr.id, old_key);
    }
    if !state.is_capturing() {
        state.note_unrecorded(crr, &update.key)?;
        if let Some(old_key) = &update.moved_from {
            state.note_unrecorded(crr, old_key)?;
        }
        return Ok(Value::Null);
    }
    if update.moved_from.is_none() && update.changed.is_empty() && update.names_all {
        return Ok(Value::Null);
    }
    let crr = begin(state, crr, None)?;
    if crr.sessions == 0 {
        // What the triggers don't name is new, and a pristine row was there before it.
        let unnamed = crr.columns.iter().filter(|column| !column.is_captured);
        let late = unnamed.filter(|column| column.late.is_some());
        update.late.extend(late.map(|column| column.id));
    }
    match update.moved_from {
        Some(old_key) => {
            let replaced = match note {
                Some(Note::Existing(late)) => Some(late),
                _ => None,
            };
            let keys = (&old_key, &update.key);
            record_move(state, &crr, keys, update.late, replaced)?;
        }
        None => record_update(state, &crr, update)?,
    }
    state.settle();
    Ok(Value::Null)
}

fn record_update(state: &State, crr: &Rc<Crr>, update: Update) -> Result<()> {
    let key = match update
        .names_all
        .then(|| ColumnSet::of(&update.changed))
        .flatten()
    {
        Some(columns) => match defer_update(state, crr, update.key, columns)? {
            Some(key) => key,
            None => return Ok(()),
        },
        None => update.key,
    };
    let key = &key;
    let mut clock = state
        .find_clock(crr, key)?
        .unwrap_or_else(RowClock::pristine);
    clock.uncovered = update.late;
    let mut changed = update.changed;
    if !update.names_all {
        changed.extend(changed_unnamed(state, crr, key, &clock)?);
    }
    if changed.is_empty() {
        return Ok(());
    }
    if !clock.cl.is_live() {
        // Triggers of the application ran first: they deleted the row, or they updated a new row
        // before its insert was recorded.
        if !state.row_exists(crr, &crr.key_values(key)?)? {
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

/// Records an update without a look at what is stored of the row; gives the key back where that may not be.
fn defer_update(state: &State, crr: &Rc<Crr>, key: Key, columns: ColumnSet) -> Result<Option<Key>> {
    state.defer(crr, key, columns.len(), |at| Deferred::Update(at, columns))
}

/// The columns that the triggers do not name yet and that may have changed: what was never set held its
/// default, of others nobody knows what they held. A column that is not late was added when there were no rows: a
/// row with such a cell unset was merged, so it was inserted.
fn changed_unnamed(state: &State, crr: &Crr, key: &Key, clock: &RowClock) -> Result<Vec<ColumnId>> {
    let values = cells(state, crr, key)?.unwrap_or_default();
    let mut changed = Vec::new();
    for (column, value) in crr.columns.iter().zip(&values) {
        if column.is_captured {
            continue;
        }
        let held = match (clock.column_version(column.id), &column.late) {
            (Some(_), _) => None,
            (None, Some(default)) => Some(default.clone()),
            (None, None) => late::inserted_with(state.store.connection, &crr.name, &column.name)?,
        };
        if !held.is_some_and(|held| late::is_same(value.as_ref(), held.as_ref())) {
            changed.push(column.id);
        }
    }
    Ok(changed)
}

/// The row got another key: every cell is written under the new one, and the old one is deleted. The seqs
/// come in this order: cells, end of the old key, beginning of the new. `late` are the late columns that held
/// their default.
fn record_move(
    state: &State,
    crr: &Rc<Crr>,
    (old_key, new_key): (&Key, &Key),
    late: Vec<ColumnId>,
    replaced: Option<Vec<ColumnId>>,
) -> Result<()> {
    let mut old = state
        .find_clock(crr, old_key)?
        .unwrap_or_else(RowClock::pristine);
    old.uncovered = late;
    let known = state.find_clock(crr, new_key)?;
    let is_gone_again = known.as_ref().is_some_and(|clock| !clock.cl.is_live())
        && !state.row_exists(crr, &crr.key_values(new_key)?)?;
    if is_gone_again {
        return record_delete(state, crr, old_key);
    }
    let mut replaced = match (known, replaced) {
        (Some(clock), late) => RowClock {
            uncovered: late.unwrap_or_default(),
            ..clock
        },
        (None, Some(late)) => pristine(late),
        (None, None) => RowClock::unknown(),
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
    let is_first_insert = crr.columns.is_empty() && replaced.cl == CausalLength::UNKNOWN;
    let reserved = if is_first_insert {
        crr.insert_stride()
    } else {
        1
    };
    let sentinel_at = state.reserve(reserved)?;
    if is_first_insert {
        return state.log_first_insert(crr, new_key, sentinel_at, LOCAL);
    }
    replaced.forget_cells();
    replaced.set_cells(cells_at, LOCAL, versions.into_iter());
    replaced.set_sentinel(cl, sentinel_at, LOCAL);
    state.save_clock(crr, new_key, replaced)
}
