//! `crsql_adopt`: records what was written behind the extension's back as local changes.
//!
//! The table is right: what it holds is what peers will hear of. What a damaged record said is not known, so a
//! new life of the row takes its place.

use super::check::UNUSABLE_KEY;
use super::keys::has_records;
use super::row::{Defect, Record, RowFacts, RowStream, needs_first_insert, reserved};
use super::triggers;
use crate::crdt::change::{COUNTER_MAX, CausalLength, ColumnVersion, Position, SiteOrdinal};
use crate::crdt::clock::{Base, Entry, RowClock};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sql::quoted;
use crate::state::State;
use std::rc::Rc;

const LOCAL: SiteOrdinal = SiteOrdinal::LOCAL;

/// So many log entries are removed at once.
const SUPERFLUOUS_MAX: usize = 1 << 16;

/// What of a table is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What differs
    Differences,
    /// What differs; all else gets a new place in the log, so that peers that could not see it don't miss it
    Everything,
}

impl Scope {
    /// What `crsql_adopt` records. While a table has no insert trigger its changes are not shown, and peers may have
    /// gone past them.
    pub fn of(state: &State, crr: &Crr) -> Result<Scope> {
        Ok(match triggers::is_visible(state, crr)? {
            true => Scope::Differences,
            false => Scope::Everything,
        })
    }
}

/// Records all differences between the rows of a table and their clocks as local changes of the open transaction,
/// and makes its triggers again where they are not as they should be. Gives the number of rows that differed.
pub fn adopt(state: &State, crr: &Rc<Crr>, scope: Scope) -> Result<u64> {
    let outcome = state.store.atomically(|| {
        state.enlist()?;
        state.flush()?;
        crr.check_no_session()?;
        if !has_records(state.store.connection, crr.id)? {
            return Err(Error::Corrupt(format!(
                "the table of the clock records of table {} is gone; restore the file, or rebuild it from a peer",
                quoted(&crr.name)
            )));
        }
        let crr = triggers::restore(state, crr)?;
        // Values may have been changed as well, which nothing shows.
        state.store.forget_tree(crr.id)?;
        record_differences(state, &crr, scope)
    });
    state.forget_tables();
    outcome.map_err(|error| {
        error.during(format_args!(
            "adopting the rows of table {}",
            quoted(&crr.name)
        ))
    })
}

fn record_differences(state: &State, crr: &Rc<Crr>, scope: Scope) -> Result<u64> {
    let mut rows = RowStream::start(state, Some(crr))?;
    let mut superfluous = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let Some(key) = &row.key else {
            if row.is_there {
                return Err(Error::Table(format!(
                    "table {} can't be adopted: {UNUSABLE_KEY}",
                    quoted(&crr.name)
                )));
            }
            continue;
        };
        let mut loose = row.loose();
        match row.defects(&crr.columns).first() {
            Some(Defect::Unannounced | Defect::ListedTwice) if loose.len() > 1 => {
                show_again(state, crr, key, &row)?;
                count += 1;
            }
            Some(defect) => {
                record(state, crr, key, &row, *defect)?;
                count += 1;
                // The last entry stays, so that no version is given out again.
                loose.pop();
            }
            None if scope == Scope::Everything => show_again(state, crr, key, &row)?,
            None => loose.clear(),
        }
        superfluous.extend(loose);
        if superfluous.len() >= SUPERFLUOUS_MAX {
            remove(state, &mut superfluous)?;
        }
    }
    remove(state, &mut superfluous)?;
    Ok(count)
}

fn remove(state: &State, superfluous: &mut Vec<Position>) -> Result<()> {
    superfluous.sort_unstable();
    state.store.remove(superfluous)?;
    superfluous.clear();
    Ok(())
}

fn record(state: &State, crr: &Rc<Crr>, key: &Key, row: &RowFacts, defect: Defect) -> Result<()> {
    match (defect, &row.record) {
        (Defect::NotRecorded, _) => record_first_insert(state, crr, key),
        (Defect::Damaged, Record::Damaged(cl)) => record_damaged(state, crr, key, row, *cl),
        (Defect::Gone, Record::Found(clock)) => record_end(state, crr, key, known(row, clock)),
        (Defect::Gone, _) => record_end(state, crr, key, RowClock::pristine()),
        (Defect::Undead, Record::Found(clock)) => {
            record_new_life(state, crr, key, known(row, clock))
        }
        (Defect::Unannounced, Record::Found(clock)) => announce(state, crr, key, row, clock),
        _ => Ok(()),
    }
}

/// A row that holds the default of a late column needs a record that says that it is younger than the column.
fn record_first_insert(state: &State, crr: &Rc<Crr>, key: &Key) -> Result<()> {
    let at = state.reserve(crr.insert_stride())?;
    state.log_first_insert(crr, key, at, LOCAL)?;
    match state.late_in_row(crr, key)?.is_empty() {
        true => Ok(()),
        false => state.save_clock(crr, key, RowClock::inserted_with(crr.next_column)),
    }
}

/// The record with what the log really holds of it, so that no entry of another row is removed in its name.
fn known(row: &RowFacts, clock: &RowClock) -> RowClock {
    let mut clock = clock.clone();
    for group in &mut clock.groups {
        group.entry.is_logged = row.entry_at(group.entry.at).is_some();
    }
    if let Some(entry) = &mut clock.sentinel {
        entry.is_logged = row.entry_at(entry.at).is_some();
    }
    clock
}

fn record_end(state: &State, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
    clock.start_over(clock.cl.next_delete(), state.reserve(1)?, LOCAL);
    state.save_clock(crr, key, clock)
}

fn record_new_life(state: &State, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
    clock.start_over(clock.cl.next_create(), state.reserve(1)?, LOCAL);
    let at = state.reserve(crr.columns.len() as u64)?;
    let cells = crr
        .column_ids()
        .map(|column| (column, ColumnVersion::FIRST));
    clock.set_cells(at, LOCAL, cells);
    state.save_clock(crr, key, clock)
}

/// A life, or a death, after the one that can't be read.
fn record_damaged(state: &State, crr: &Rc<Crr>, key: &Key, row: &RowFacts, cl: i64) -> Result<()> {
    if !(1..COUNTER_MAX - 2).contains(&cl) {
        return Err(Error::Corrupt(format!(
            "a clock record of table {} is damaged, and so is its causal length; restore the file, or rebuild it \
             from a peer",
            quoted(&crr.name)
        )));
    }
    let mut clock = RowClock::unknown();
    clock.cl = CausalLength(cl as u64);
    if !row.is_there {
        return record_end(state, crr, key, clock);
    }
    if clock.cl.is_live() {
        clock.cl = clock.cl.next_delete();
    }
    record_new_life(state, crr, key, clock)
}

/// Gives what the log doesn't hold a new place in it. Versions and authors stay.
fn announce(
    state: &State,
    crr: &Rc<Crr>,
    key: &Key,
    row: &RowFacts,
    clock: &RowClock,
) -> Result<()> {
    let is_announced = |entry, reserved| row.announces(entry, reserved);
    let mut next = moved(state, known(row, clock), is_announced)?;
    if row.loose().is_empty() && needs_first_insert(clock, &crr.columns) {
        let mut inserted = clock.clone();
        inserted.uncovered = state.late_in_row(crr, key)?;
        let unlisted = crr.column_ids().filter(|column| !clock.lists(*column));
        let cells: Vec<_> = unlisted
            .filter_map(|column| Some((column, inserted.column_version(column)?)))
            .collect();
        let at = state.reserve(cells.len() as u64)?;
        next.base = Base::Unset;
        next.set_cells(at, LOCAL, cells.into_iter());
    }
    state.save_clock(crr, key, next)
}

/// Gives all that the log holds of a row a new place in it; the entries of its first insert are the caller's to remove.
fn show_again(state: &State, crr: &Rc<Crr>, key: &Key, row: &RowFacts) -> Result<()> {
    let speaks = match &row.record {
        Record::Found(clock) => clock.is_first_insert(),
        _ => row.is_there,
    };
    let loose = row.loose();
    let of_insert = row
        .entries
        .iter()
        .filter(|entry| loose.contains(&entry.at))
        .max_by_key(|entry| (entry.stride, entry.at));
    if let Some(entry) = of_insert
        && speaks
    {
        let at = state.reserve(entry.stride)?;
        state.log_entry(crr, key, at, entry.site, entry.stride)?;
    }
    match &row.record {
        Record::Found(clock) => {
            let next = moved(state, known(row, clock), |_, _| false)?;
            state.save_clock(crr, key, next)
        }
        _ => Ok(()),
    }
}

/// The clock with new places in the log for its entries, but for those that stay.
fn moved(state: &State, clock: RowClock, stays: impl Fn(Entry, u64) -> bool) -> Result<RowClock> {
    let mut next = clock.clone();
    if let Some(entry) = clock.sentinel.filter(|entry| !stays(*entry, 1)) {
        next.set_sentinel(clock.cl, state.reserve(1)?, entry.site);
    }
    for group in &clock.groups {
        if stays(group.entry, reserved(group)) {
            continue;
        }
        let cells: Vec<_> = group
            .cells
            .iter()
            .map(|cell| (cell.column, cell.version))
            .collect();
        let at = state.reserve(cells.len() as u64)?;
        next.set_cells(at, group.entry.site, cells.into_iter());
    }
    Ok(next)
}
