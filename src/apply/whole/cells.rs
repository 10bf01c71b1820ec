//! What becomes of the cells of a row: it is new, or known, or each cell is decided on.

use super::batch::NewRow;
use super::fit::{run_set, with_key_values};
use super::{Fitting, Merging, Place};
use crate::apply::{delete_row, incoming, wins_tie};
use crate::crdt::change::{CausalLength, Claim, ColumnVersion, SiteOrdinal};
use crate::crdt::changeset::CellRead;
use crate::crdt::clock::RowClock;
use crate::crdt::merge::{EqualValues, Known, Verdict, judge, settles_tie};
use crate::crdt::value::{Affinity, Value, ValueRef, is_stored_form};
use crate::error::Result;
use crate::schema::crr::{SetUse, slot};
use crate::schema::late;
use crate::state::HeldRow;
use crate::store::row_finder::RowFinder;
use std::rc::Rc;

/// A held row while its cells are decided on.
#[derive(Default)]
struct Decided {
    /// The places of the cells that won
    winners: Vec<usize>,
    /// Changes that won, and with them revivals
    won: i64,
    events: i64,
    /// Whether the row will be in the table
    exists: bool,
    /// The row as it is in the table, once it was asked for
    here: Option<Vec<Value>>,
}

impl Merging<'_> {
    /// Whether a row without a record is here and none of its cells loses to those that came.
    pub(super) fn is_known(
        &self,
        fitting: &Fitting<'_, '_>,
        place: &mut Place<'_>,
    ) -> Result<bool> {
        let (crr, row) = (fitting.crr, fitting.row);
        let Some(rows) = place.rows.as_deref_mut() else {
            return Ok(false);
        };
        if !self.keeps_equal || crr.has_late() {
            return Ok(false);
        }
        let known = Known {
            cl: CausalLength::FIRST_LIFE,
            exists: true,
            cell: Some(ColumnVersion::FIRST),
        };
        let loses = |cell: &CellRead<'_>, index: usize, here: &RowFinder| {
            match judge(known, row.cl, Claim::Cell(cell.version)) {
                Verdict::Ignore => true,
                Verdict::Tie => {
                    let affinity = crr.columns.get(index).map(|column| column.affinity);
                    // What the column stores in another form is left to the slow way.
                    affinity.is_some_and(|affinity| is_stored_form(cell.value, affinity))
                        && !settles_tie(here.value(index), cell.value, EqualValues::KeepLocal)
                }
                _ => false,
            }
        };
        let is_here = with_key_values(crr, row.key, &fitting.key, |values| rows.find(values))?;
        let mut cells = row.cells.iter().zip(fitting.columns);
        Ok(is_here && cells.all(|(cell, index)| loses(cell, *index, rows)))
    }

    /// Makes a row that has no record; false if it is there, or a trigger of the application ignores it.
    pub(super) fn insert_new(
        &mut self,
        fitting: &Fitting<'_, '_>,
        place: &Place<'_>,
    ) -> Result<bool> {
        let (state, crr, row) = (self.state, fitting.crr, fitting.row);
        let is_written = with_key_values(crr, row.key, &fitting.key, |key| {
            let cells = row.cells.iter().map(|cell| cell.value);
            let values = key.iter().copied().chain(cells);
            run_set(
                state,
                crr,
                SetUse::Insert,
                fitting.columns,
                place.insert_slot,
                values,
            )
        })?;
        state.settle();
        let Some(first) = row.cells.first().filter(|_| is_written) else {
            return Ok(false);
        };
        let is_pristine = |cell: &CellRead<'_>| cell.version == ColumnVersion::FIRST;
        if place.is_whole && !crr.has_late() && row.cells.iter().all(is_pristine) {
            let new = NewRow {
                key: &fitting.key,
                cells: row.cells.len(),
                site: row.site,
                version: row.version,
                seq: first.seq,
            };
            self.log_new(crr, &new)?;
            return Ok(true);
        }
        state.take_note(crr.id, &fitting.key);
        let site = self.ordinal(row.site)?;
        let count = row.cells.len() as i64;
        self.won += count;
        self.events += count;
        let mut held = Box::new(HeldRow {
            crr: Rc::clone(crr),
            key: fitting.key.clone(),
            pk: Vec::new(),
            values: crr.key_values(&fitting.key)?,
            clock: RowClock::unknown(),
            exists: true,
            is_presumed_new: false,
            was_unknown: true,
            is_dirty: true,
            late: Vec::new(),
        });
        held.clock.cl = row.cl;
        for (cell, index) in row.cells.iter().zip(fitting.columns) {
            self.set_cell(fitting, &mut held, cell, *index, site)?;
        }
        state.hold(held, state.epoch());
        Ok(true)
    }

    /// Records a cell that won, at its place in the log.
    fn set_cell(
        &mut self,
        fitting: &Fitting<'_, '_>,
        held: &mut HeldRow,
        cell: &CellRead<'_>,
        index: usize,
        site: SiteOrdinal,
    ) -> Result<()> {
        let state = self.state;
        let at = state.keep(state.plan_merged(fitting.row.version, cell.seq, 1)?);
        let Some(column) = fitting.crr.columns.get(index) else {
            return Ok(());
        };
        held.clock.set_cell(at, site, column.id, cell.version);
        self.has_written_known |= !incoming::may_be_forgotten(fitting.crr, index);
        if let Some(default) = &column.late {
            let value = self.stored(cell.value, column.affinity)?;
            held.note_late(column.id, late::holds(value.as_ref(), default));
        }
        Ok(())
    }

    fn stored(&self, value: ValueRef<'_>, affinity: Affinity) -> Result<Value> {
        self.state.store.with_affinity(value.to_owned(), affinity)
    }

    /// Decides on the cells one by one, writes the row, then its clock.
    pub(super) fn merge_held(
        &mut self,
        fitting: &Fitting<'_, '_>,
        held: &mut HeldRow,
    ) -> Result<()> {
        let before = (held.clock.clone(), held.late.clone());
        let mut decided = Decided {
            exists: held.exists,
            ..Decided::default()
        };
        for place in 0..fitting.row.cells.len().max(1) {
            let verdict = self.decide(fitting, held, &mut decided, place)?;
            self.carry_out(fitting, held, &mut decided, (place, verdict))?;
        }
        if decided.won == 0 {
            return Ok(());
        }
        if self.write_row(fitting, held, &decided)? {
            held.exists = decided.exists;
            held.is_dirty = true;
            self.won += decided.won;
            self.events += decided.events;
        } else {
            (held.clock, held.late) = before;
        }
        Ok(())
    }

    /// Decides on one cell, or on the sentinel.
    fn decide(
        &self,
        fitting: &Fitting<'_, '_>,
        held: &HeldRow,
        decided: &mut Decided,
        place: usize,
    ) -> Result<Verdict> {
        let Some(cell) = fitting.row.cells.get(place) else {
            let known = Known {
                cl: held.clock.cl,
                exists: decided.exists,
                cell: None,
            };
            return Ok(judge(known, fitting.row.cl, Claim::Sentinel));
        };
        let index = fitting.columns.get(place).copied().unwrap_or_default();
        let Some(column) = fitting.crr.columns.get(index) else {
            return Ok(Verdict::Ignore);
        };
        let known = Known {
            cl: held.clock.cl,
            exists: decided.exists,
            cell: held.clock.column_version(column.id),
        };
        let verdict = judge(known, fitting.row.cl, Claim::Cell(cell.version));
        if verdict != Verdict::Tie {
            return Ok(verdict);
        }
        let here = match &mut decided.here {
            Some(here) => here,
            none => none.insert(self.row_here(fitting, held)?),
        };
        let value = self.stored(cell.value, column.affinity)?;
        let here = here.get(index).map_or(ValueRef::Null, Value::as_ref);
        let values = (here, value.as_ref());
        Ok(
            match wins_tie(self.state, held, column.id, fitting.site, values)? {
                true => Verdict::Write,
                false => Verdict::Ignore,
            },
        )
    }

    /// Brings the clock to what was decided on one cell, or on the sentinel.
    fn carry_out(
        &mut self,
        fitting: &Fitting<'_, '_>,
        held: &mut HeldRow,
        decided: &mut Decided,
        (place, verdict): (usize, Verdict),
    ) -> Result<()> {
        if matches!(verdict, Verdict::Ignore | Verdict::Tie) {
            return Ok(());
        }
        let (state, row) = (self.state, fitting.row);
        let cell = row.cells.get(place);
        let site = self.ordinal(row.site)?;
        decided.won += 1;
        decided.events += 1;
        if matches!(
            verdict,
            Verdict::Delete | Verdict::Revive | Verdict::ReviveAndWrite
        ) {
            let seq = cell.map_or(row.seq, |cell| cell.seq);
            let at = state.keep(state.plan_merged(row.version, seq, 1)?);
            decided.exists = verdict != Verdict::Delete;
            self.has_written_known = true;
            match decided.exists {
                false => held.clock.start_over(row.cl, at, site),
                true => {
                    let columns = fitting.crr.column_ids();
                    held.clock.revive(row.cl, at, site, columns);
                }
            }
        }
        if matches!(verdict, Verdict::Write | Verdict::ReviveAndWrite)
            && let (Some(cell), Some(index)) = (cell, fitting.columns.get(place))
        {
            held.clock.cl = row.cl;
            self.set_cell(fitting, held, cell, *index, site)?;
            decided.winners.push(place);
            decided.exists = true;
            decided.events += i64::from(verdict == Verdict::ReviveAndWrite);
        }
        Ok(())
    }

    /// The row as it is in the table.
    fn row_here(&self, fitting: &Fitting<'_, '_>, held: &HeldRow) -> Result<Vec<Value>> {
        let crr = fitting.crr;
        let text = || crr.row_get_sql();
        let row = crr
            .statements
            .with(slot::ROW_GET, self.state.store.connection, text, |get| {
                get.first(held.values.iter().map(Value::as_ref), |row| {
                    (0..crr.columns.len())
                        .map(|index| row.value(index).to_owned())
                        .collect()
                })
            })?;
        Ok(row.unwrap_or_default())
    }

    /// Brings the row to what was decided; false if a trigger of the application ignored that.
    fn write_row(
        &self,
        fitting: &Fitting<'_, '_>,
        held: &HeldRow,
        decided: &Decided,
    ) -> Result<bool> {
        let (state, crr) = (self.state, fitting.crr);
        let winners = &decided.winners;
        let key = held.values.iter().map(Value::as_ref);
        let columns: Vec<usize> = winners
            .iter()
            .filter_map(|place| fitting.columns.get(*place).copied())
            .collect();
        let cells = winners
            .iter()
            .filter_map(|place| Some(fitting.row.cells.get(*place)?.value));
        match (held.exists, decided.exists) {
            (true, true) if winners.is_empty() => Ok(true),
            (false, false) => Ok(true),
            (true, false) => {
                let is_gone = delete_row(state, crr, held)?;
                if is_gone {
                    state.take_note(crr.id, &held.key);
                }
                Ok(is_gone)
            }
            (is_there, _) => {
                state.take_note(crr.id, &held.key);
                let set_use = if is_there {
                    SetUse::Update
                } else {
                    SetUse::Insert
                };
                let slot = crr.set_slot(set_use, &columns);
                run_set(state, crr, set_use, &columns, slot, key.chain(cells))
            }
        }
    }
}
