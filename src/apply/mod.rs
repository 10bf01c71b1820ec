//! Merging changes of other replicas: `INSERT INTO crsql_changes`.
//!
//! The change is checked and decided on before anything is written; the row in the table is written first, as
//! the only step that a constraint can refuse; the clock follows in memory and is written with its row group.

pub mod changeset;
mod incoming;
pub mod parked;
pub mod slices;
pub mod states;
mod whole;

use crate::crdt::change::{CausalLength, Claim, ColumnId, Position, SiteOrdinal, column};
use crate::crdt::clock::{Base, RowClock};
use crate::crdt::merge::{EqualValues, Known, Verdict, judge, settles_tie};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::crr::{SetUse, slot, write_slot};
use crate::schema::{Crr, Key, late};
use crate::sql::{self, Part, quoted};
use crate::sqlite::value::Arguments;
use crate::state::transaction::Planned;
use crate::state::{HeldRow, State};
use incoming::{Incoming, Received};

pub use incoming::Row;
use std::rc::Rc;

/// Merges one change; 0 if it was ignored or parked, else a number that is not 0.
pub fn apply(state: &State, arguments: Arguments<'_>) -> Result<i64> {
    merge_row(state, &std::array::from_fn(|index| arguments.get(index)))
}

/// Merges one change.
pub fn merge_row(state: &State, row: &Row<'_>) -> Result<i64> {
    if state.is_parked_due()? {
        parked::replay(state)?;
    }
    let applied = match incoming::read(state, row)? {
        Received::Change(incoming) => apply_change(state, &incoming)?,
        Received::UnknownTable(unknown) => {
            parked::check(state, &unknown)?;
            parked::park(state, &unknown, row[column::VAL])?;
            0
        }
        Received::UnknownColumn(of_row, unknown) => {
            parked::check(state, &unknown)?;
            // The cell makes, or unmakes, its row as it would if the column were here.
            let applied = apply_change(state, &of_row)?;
            if unknown.cl.is_live() {
                parked::park(state, &unknown, row[column::VAL])?;
            }
            applied
        }
    };
    Ok(if applied == 0 {
        0
    } else {
        state.pending_version()?.to_sql()
    })
}

/// Merges a change; gives the number of events that were applied.
fn apply_change(state: &State, incoming: &Incoming<'_>) -> Result<i64> {
    let Some(_merging) = state.start_merging() else {
        return Err(Error::Change(
            "a trigger inserted into crsql_changes while a merge was running; merge from the application".to_owned(),
        ));
    };
    merge_change(state, incoming)
}

/// As `apply_change`, while a merge is running.
fn merge_change(state: &State, incoming: &Incoming<'_>) -> Result<i64> {
    // What triggers of the application are part of is let go of at the end of the transaction.
    state.has_other_triggers()?;
    let epoch = state.epoch();
    let held = match state.take_held_as(&incoming.crr, incoming.pk) {
        Some(held) => held,
        None => take_row(state, incoming)?,
    };
    merge_held(state, incoming, held, epoch)
}

/// Merges a change into its row, which was taken in `epoch`.
fn merge_held(
    state: &State,
    incoming: &Incoming<'_>,
    mut held: Box<HeldRow>,
    epoch: u64,
) -> Result<i64> {
    // Most changes go the second way: a result that is looked at where it is has not to be copied together.
    match merge(state, incoming, &mut held, Table::IsToWrite) {
        Ok(_) if held.is_presumed_new => look_up_and_merge(state, incoming, held.key, epoch),
        Ok(applied) => finish(state, incoming, held, epoch, Ok(applied)),
        // What the table refuses may be of a row that is there, and lose to it.
        Err(error) if held.is_presumed_new => {
            match error.is_about_statement() && state.epoch() == epoch {
                true => look_up_and_merge(state, incoming, held.key, epoch),
                false => Err(error),
            }
        }
        // RAISE(FAIL) in an AFTER trigger ends the statement and leaves the row as it was written.
        Err(error) if error.is_constraint() && state.store.connection.changes() > 0 => {
            let outcome = merge(state, incoming, &mut held, Table::IsWritten);
            finish(state, incoming, held, epoch, outcome)?;
            Err(error)
        }
        Err(error) => finish(state, incoming, held, epoch, Err(error)),
    }
}

/// Merges a change into a row that was wrongly taken for new, or may have been.
fn look_up_and_merge(state: &State, incoming: &Incoming<'_>, key: Key, epoch: u64) -> Result<i64> {
    let held = load(state, &incoming.crr, key, incoming.pk, Presence::LookedUp)?;
    merge_held(state, incoming, held, epoch)
}

/// Holds the row for the next change, and takes note of what this one did.
#[inline]
fn finish(
    state: &State,
    incoming: &Incoming<'_>,
    held: Box<HeldRow>,
    epoch: u64,
    outcome: Result<i64>,
) -> Result<i64> {
    state.hold(held, epoch);
    state.settle();
    let applied = outcome?;
    if applied > 0 && incoming.is_sign_of_copy() {
        state.note_own_change_from_elsewhere()?;
    }
    state.count_impact(applied);
    Ok(applied)
}

/// The row of a change, which is not held under the bytes that the change has for its key.
fn take_row(state: &State, incoming: &Incoming<'_>) -> Result<Box<HeldRow>> {
    let key = incoming.read_key(state)?;
    match state.take_held(&incoming.crr, &key)? {
        Some(held) => Ok(held),
        None => {
            let presence = expected(state, incoming)?;
            load(state, &incoming.crr, key, incoming.pk, presence)
        }
    }
}

/// How to find out whether a row is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// It is looked up
    LookedUp,
    /// A row without a record is taken for new: the statement that makes it will tell
    Presumed,
}

/// A first cell makes its row if the row is not known, and the statement that makes it finds out whether it is there as
/// well as a look-up before does. A trigger of the application could keep it from telling.
fn expected(state: &State, incoming: &Incoming<'_>) -> Result<Presence> {
    let makes_row = incoming.cell.is_some() && incoming.cl == CausalLength::FIRST_LIFE;
    let is_new = makes_row && state.expects_new_rows() && !state.has_other_triggers()?;
    Ok(if is_new {
        Presence::Presumed
    } else {
        Presence::LookedUp
    })
}

/// Whether a change still has to be carried out in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    IsToWrite,
    IsWritten,
}

impl Table {
    /// Runs the statement that writes; false if it changed nothing.
    fn write(self, run: impl FnOnce() -> Result<bool>) -> Result<bool> {
        match self {
            Table::IsToWrite => run(),
            Table::IsWritten => Ok(true),
        }
    }
}

fn load(
    state: &State,
    crr: &Rc<Crr>,
    key: Key,
    pk: &[u8],
    presence: Presence,
) -> Result<Box<HeldRow>> {
    let values = crr.key_values(&key)?;
    let record = state.find_clock(crr, &key)?;
    let is_presumed_new = presence == Presence::Presumed && record.is_none();
    let exists = !is_presumed_new && state.row_exists(crr, &values)?;
    state.note_row(!exists);
    let was_unknown = record.is_none() && !exists;
    let mut clock = match record {
        Some(clock) => clock,
        None if exists => RowClock::pristine(),
        None => RowClock::unknown(),
    };
    if clock.base == Base::Pristine {
        clock.uncovered = state.late_in_row(crr, &key)?;
    }
    Ok(Box::new(HeldRow {
        crr: Rc::clone(crr),
        is_dirty: state.take_unwritten(crr, &key),
        key,
        pk: pk.to_vec(),
        values,
        clock,
        exists,
        is_presumed_new,
        was_unknown,
        late: Vec::new(),
    }))
}

/// Decides and carries out; gives the number of events that were applied.
fn merge(state: &State, incoming: &Incoming<'_>, held: &mut HeldRow, table: Table) -> Result<i64> {
    let column = incoming
        .cell
        .as_ref()
        .map(|(index, _)| &incoming.crr.columns[*index]);
    let known = Known {
        cl: held.clock.cl,
        exists: held.exists,
        cell: column.and_then(|column| held.clock.column_version(column.id)),
    };
    let mut verdict = judge(known, incoming.cl, incoming.claim);
    if verdict == Verdict::Tie {
        let wins = table == Table::IsWritten || incoming_wins_tie(state, incoming, held)?;
        verdict = if wins {
            Verdict::Write
        } else {
            Verdict::Ignore
        };
    }
    match verdict {
        Verdict::Ignore | Verdict::Tie => Ok(0),
        Verdict::Delete => delete(state, incoming, held, table),
        Verdict::Revive => revive(state, incoming, held, table),
        Verdict::Write => write(state, incoming, held, (table, 1)),
        Verdict::ReviveAndWrite => write(state, incoming, held, (table, 2)),
    }
}

fn delete(state: &State, incoming: &Incoming<'_>, held: &mut HeldRow, table: Table) -> Result<i64> {
    let crr = &incoming.crr;
    let (planned, site) = (plan(state, incoming, 1)?, ordinal(state, incoming)?);
    if held.exists {
        if !table.write(|| delete_row(state, crr, held))? {
            return Ok(0);
        }
        held.exists = false;
        state.take_note(crr.id, &held.key);
    }
    held.clock
        .start_over(incoming.cl, state.keep(planned), site);
    held.is_dirty = true;
    Ok(1)
}

fn revive(state: &State, incoming: &Incoming<'_>, held: &mut HeldRow, table: Table) -> Result<i64> {
    let (planned, site) = (plan(state, incoming, 1)?, ordinal(state, incoming)?);
    let insert = || Ok(insert_row(state, &incoming.crr, held, None)? > 0);
    if !held.exists && !table.write(insert)? {
        return Ok(0);
    }
    held.exists = true;
    let at = state.keep(planned);
    held.clock
        .revive(incoming.cl, at, site, incoming.crr.column_ids());
    held.is_dirty = true;
    Ok(1)
}

/// `events` is 1 for the cell, 2 if the row is revived before.
fn write(
    state: &State,
    incoming: &Incoming<'_>,
    held: &mut HeldRow,
    (table, events): (Table, u64),
) -> Result<i64> {
    let (Some((index, value)), Claim::Cell(version)) = (&incoming.cell, incoming.claim) else {
        return Err(Error::Internal(
            "a sentinel was to be written to a cell".to_owned(),
        ));
    };
    let (planned, site) = (plan(state, incoming, events)?, ordinal(state, incoming)?);
    if table == Table::IsToWrite {
        let value = value.as_ref();
        let written = match held.exists {
            true => update_cell(state, &incoming.crr, held, *index, value)?,
            false => insert_row(state, &incoming.crr, held, Some((*index, value)))?,
        };
        if written == 0 {
            return Ok(0);
        }
    }
    held.exists = true;
    held.is_presumed_new = false;
    let first = state.keep(planned);
    if events > 1 {
        held.clock
            .revive(incoming.cl, first, site, incoming.crr.column_ids());
    }
    held.clock.cl = incoming.cl;
    let at = Position {
        seq: first.seq.plus(events - 1),
        ..first
    };
    let column = incoming.crr.columns[*index].id;
    held.clock.set_cell(at, site, column, version);
    held.is_dirty = true;
    if let Some(default) = &incoming.crr.columns[*index].late {
        held.note_late(column, late::holds(value.as_ref(), default));
    }
    Ok(events as i64)
}

/// The place in the log, planned before anything is written: what may fail comes before the row.
fn plan(state: &State, incoming: &Incoming<'_>, events: u64) -> Result<Planned> {
    state.plan_merged(incoming.version, incoming.seq, events)
}

fn ordinal(state: &State, incoming: &Incoming<'_>) -> Result<SiteOrdinal> {
    match incoming.site {
        Some(site) => state.site_ordinal(site),
        None => Ok(SiteOrdinal::LOCAL),
    }
}

fn incoming_wins_tie(state: &State, incoming: &Incoming<'_>, held: &HeldRow) -> Result<bool> {
    let Some((index, value)) = &incoming.cell else {
        return Ok(false);
    };
    let crr = &incoming.crr;
    let text = || crr.row_get_sql();
    let here = crr
        .statements
        .with(slot::ROW_GET, state.store.connection, text, |get| {
            get.first(held.values.iter().map(Value::as_ref), |row| {
                row.value(*index).to_owned()
            })
        })?;
    let here = here.unwrap_or(Value::Null);
    let values = (here.as_ref(), value.as_ref());
    wins_tie(state, held, crr.columns[*index].id, incoming.site, values)
}

/// Whether an incoming value of equal version replaces the one that is here.
fn wins_tie(
    state: &State,
    held: &HeldRow,
    column: ColumnId,
    site: Option<&[u8]>,
    (here, value): (ValueRef<'_>, ValueRef<'_>),
) -> Result<bool> {
    if !state.merges_equal_values()? {
        return Ok(settles_tie(here, value, EqualValues::KeepLocal));
    }
    // What this database wrote can come as news: a copy of the file may have written under its id.
    let local = state.site_id()?;
    let held_site = held_site(state, held, column)?;
    let equal = EqualValues::LargerSite {
        held: held_site.as_deref().unwrap_or(&local),
        incoming: site.unwrap_or(&local),
    };
    Ok(settles_tie(here, value, equal))
}

/// The site that wrote the cell held here; none if it can't be found, as for rows written with capture off.
fn held_site(state: &State, held: &HeldRow, column: ColumnId) -> Result<Option<Vec<u8>>> {
    let clock = &held.clock;
    let ordinal = match clock.column_site(column) {
        Some(ordinal) => Some(ordinal),
        None if clock.inherited.contains(&column) => Some(SiteOrdinal::LOCAL),
        None => {
            state.flush()?;
            let is_other = |at| {
                let is_group = clock.groups.iter().any(|group| group.entry.at == at);
                is_group || clock.sentinel.is_some_and(|entry| entry.at == at)
            };
            state
                .store
                .first_insert_site(held.crr.id, &held.key, is_other)?
        }
    };
    ordinal
        .map(|ordinal| state.store.site_id(ordinal))
        .transpose()
}

/// Runs a statement that writes to the row, and says how many rows that changed: none if a trigger of the application
/// ignored it.
fn write_row(
    state: &State,
    crr: &Crr,
    slot: usize,
    text: impl FnOnce() -> String,
    held: &HeldRow,
    value: Option<ValueRef<'_>>,
) -> Result<i64> {
    let values = held.values.iter().map(Value::as_ref).chain(value);
    crr.writes
        .with(slot, state.store.connection, text, |statement| {
            statement.run(values)
        })
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))
}

/// Makes the row, with one cell or bare.
fn insert_row(
    state: &State,
    crr: &Crr,
    held: &HeldRow,
    cell: Option<(usize, ValueRef<'_>)>,
) -> Result<i64> {
    let slot = cell.map_or(write_slot::ROW_INSERT_BARE, |(index, _)| {
        let insert = match held.is_presumed_new {
            true => write_slot::INSERT_NEW,
            false => write_slot::INSERT,
        };
        write_slot::of_column(index, insert)
    });
    let text = || {
        if let (true, Some((index, _))) = (held.is_presumed_new, cell) {
            return crr.set_sql(SetUse::Insert, &[index]);
        }
        let column = cell.map(|(index, _)| crr.columns[index].name.as_str());
        let names = sql::join(", ", crr.key_names().chain(column).map(quoted));
        let values = sql::parameters(1, crr.key_columns.len() + usize::from(column.is_some()));
        crr.row_sql(
            sql::ROW_INSERT,
            &[
                ("columns", Part::Sql(&names)),
                ("values", Part::Sql(&values)),
            ],
        )
    };
    write_row(state, crr, slot, text, held, cell.map(|(_, value)| value))
}

/// Writes a cell of a row.
fn update_cell(
    state: &State,
    crr: &Crr,
    held: &HeldRow,
    index: usize,
    value: ValueRef<'_>,
) -> Result<i64> {
    let text = || {
        let value = format!("?{}", crr.key_columns.len() + 1);
        let column = &crr.columns[index].name;
        crr.row_sql(
            sql::ROW_UPDATE,
            &[("column", Part::Name(column)), ("value", Part::Sql(&value))],
        )
    };
    write_row(
        state,
        crr,
        write_slot::of_column(index, write_slot::UPDATE),
        text,
        held,
        Some(value),
    )
}

fn delete_row(state: &State, crr: &Crr, held: &HeldRow) -> Result<bool> {
    let text = || crr.row_sql(sql::ROW_DELETE, &[]);
    let removed = write_row(state, crr, write_slot::ROW_DELETE, text, held, None)?;
    Ok(removed > 0)
}
