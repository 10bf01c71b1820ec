//! Finding and writing what is recorded of rows: clock records, log entries, the held row.
//!
//! Nothing is written at once: records wait in the buffer, first inserts in the run, a merged row is held.

use super::buffer::Drained;
use super::deferred::{Deferred, StoredRecords, Waiting};
use super::{HeldRow, State};
use crate::crdt::change::{CausalLength, ColumnVersion, Position, SiteOrdinal, TableId};
use crate::crdt::clock::{Entry, RowClock, UsedUp};
use crate::crdt::local_update::LocalUpdate;
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sql::{self, quoted};
use crate::store::log::Run;
use crate::store::row_clock::{Record, Records, decode};
use std::rc::Rc;

/// So many runs wait in memory at most: 256 KB of packed keys.
const FULL_RUNS_MAX: usize = 256;

/// So many records are read before the first of them is written.
const RECORDS_PER_SCAN: usize = 256;

/// So many records are looked for one by one before the greatest key is.
const LOOKUPS_BEFORE_BOUND: u32 = 3;

/// Where in the course of a transaction records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Between two rows, with no savepoint set
    BetweenRows,
    /// Where SQLite may be setting a savepoint or committing, so that it can open no statement journal, or where there
    /// are savepoints, whose journal it would go on with
    AtBoundary,
}

/// What is known of the greatest key with a stored record.
#[derive(Debug)]
pub enum Bound {
    /// Nothing, after so many look-ups
    Unknown(u32),
    /// It is this one; none if there are no records
    Known(Option<Key>),
}

/// Memory for the records of one scan, kept from one write to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    stored: StoredRecords,
    update: LocalUpdate,
}

/// What records bring to the log.
struct Unlogged<'k> {
    /// Entries that it does not hold yet
    entries: Vec<Entered<'k>>,
    /// Entries that no longer say anything
    superseded: Vec<Position>,
}

/// An entry of one key, with the seqs that it reserves.
struct Entered<'k> {
    entry: Entry,
    seqs: u64,
    table: TableId,
    key: &'k Key,
}

impl<'k> Unlogged<'k> {
    fn add(&mut self, table: TableId, key: &'k Key, entry: Entry, seqs: u64) {
        self.entries.push(Entered {
            entry,
            seqs,
            table,
            key,
        });
    }
}

impl State {
    /// The record of a row.
    pub fn find_clock(&self, crr: &Crr, key: &Key) -> Result<Option<RowClock>> {
        let waiting = self.transaction.borrow().clocks.get(crr.id, key).cloned();
        match waiting {
            Some(Waiting::Clock(clock)) => Ok(Some(*clock)),
            Some(Waiting::Change(change)) => {
                let stored = self.stored_clock(crr, key)?;
                self.changed_clock(crr, key, stored, change).map(Some)
            }
            None => self.stored_clock(crr, key),
        }
    }

    fn stored_clock(&self, crr: &Crr, key: &Key) -> Result<Option<RowClock>> {
        if self.is_beyond_clocks(crr, key)? {
            return Ok(None);
        }
        self.store.clock(crr, key)
    }

    /// Takes the record of a row that will be held out of the buffer, so that it can't be written behind the back of
    /// its holder; says whether one waited there. The holder has what `find_clock` gave: from here on nothing may fail,
    /// or the record is lost.
    pub fn take_unwritten(&self, crr: &Crr, key: &Key) -> bool {
        let taken = self.transaction.borrow_mut().clocks.take(crr.id, key);
        taken.is_some()
    }

    /// Writes the records if there are many. Only between rows: nobody may work on a copy of one meanwhile.
    pub fn relieve(&self) -> Result<()> {
        let (is_due, has_savepoint) = {
            let clocks = &self.transaction.borrow().clocks;
            (clocks.is_due(), clocks.has_savepoint())
        };
        if !is_due {
            return Ok(());
        }
        self.flush_clocks(match has_savepoint || self.store.is_within_statement() {
            true => Moment::AtBoundary,
            false => Moment::BetweenRows,
        })
    }

    /// Rows beyond the greatest stored key are known to have no stored record. Finding that key pays from a
    /// few rows on.
    fn is_beyond_clocks(&self, crr: &Crr, key: &Key) -> Result<bool> {
        let mut transaction = self.transaction.borrow_mut();
        let is_beyond = |last: &Option<Key>| last.as_ref().is_none_or(|last| key > last);
        match transaction
            .last_clock_keys
            .entry(crr.id)
            .or_insert(Bound::Unknown(0))
        {
            Bound::Known(last) => return Ok(is_beyond(last)),
            Bound::Unknown(asked) if *asked < LOOKUPS_BEFORE_BOUND => {
                *asked += 1;
                return Ok(false);
            }
            Bound::Unknown(_) => {}
        }
        drop(transaction);
        let last = self.store.last_clock_key(crr)?;
        let answer = is_beyond(&last);
        self.transaction
            .borrow_mut()
            .last_clock_keys
            .insert(crr.id, Bound::Known(last));
        Ok(answer)
    }

    /// Takes over the record of a row, to be written with others.
    pub fn save_clock(&self, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
        if !clock.inherited.is_empty() {
            let columns = std::mem::take(&mut clock.inherited);
            let at = self.reserve(columns.len() as u64)?;
            let cells = columns
                .into_iter()
                .map(|column| (column, ColumnVersion::INHERITED));
            // It is this replica that says so: whoever revived the row may not have heard of these cells.
            clock.set_cells(at, SiteOrdinal::LOCAL, cells);
        }
        check_is_left(crr, key, &clock)?;
        clock.close();
        let mut transaction = self.transaction.borrow_mut();
        let waiting = Waiting::Clock(Box::new(clock));
        transaction.clocks.put(crr, key.clone(), waiting);
        let is_due = transaction.clocks.is_due();
        drop(transaction);
        if is_due {
            self.flush_clocks(Moment::AtBoundary)
        } else {
            Ok(())
        }
    }

    /// Writes the records in the order of their keys, and their log entries in the order of the log.
    fn flush_clocks(&self, moment: Moment) -> Result<()> {
        let drained = self.transaction.borrow_mut().clocks.drain();
        self.write_clocks(drained, moment)
            .inspect_err(|_| self.doom())
    }

    fn write_clocks(&self, drained: Vec<Drained>, moment: Moment) -> Result<()> {
        let count = drained.iter().map(|(_, waiting)| waiting.len()).sum();
        let mut unlogged = Unlogged {
            entries: Vec::with_capacity(count),
            superseded: Vec::new(),
        };
        let mut scratch = self.scratch.take();
        for (crr, waiting) in &drained {
            for waiting in waiting.chunks(RECORDS_PER_SCAN) {
                self.write_table(crr, waiting, moment, &mut scratch, &mut unlogged)?;
            }
            if let Some((greatest, _)) = waiting.last() {
                self.note_greatest(crr, greatest);
            }
        }
        self.scratch.replace(scratch);
        let Unlogged {
            entries,
            mut superseded,
        } = unlogged;
        superseded.sort_unstable_by_key(|at| at.order());
        self.store.remove(&superseded)?;
        // Sorted are small things: the positions, and where their entries stand.
        let mut order: Vec<(u128, usize)> = (0..)
            .zip(&entries)
            .map(|(index, entered)| (entered.entry.at.order(), index))
            .collect();
        order.sort_unstable_by_key(|(at, _)| *at);
        let mut open: Option<Run> = None;
        for Entered {
            entry,
            seqs,
            table,
            key,
        } in order.iter().map(|(_, index)| &entries[*index])
        {
            let (seqs, table) = (*seqs, *table);
            if let Some(run) = &mut open
                && self.may_join_runs(key)?
                && run.extend(entry.site, table, entry.at, seqs, key)
            {
                continue;
            }
            if let Some(full) = open.replace(Run::new(entry.site, table, entry.at, seqs, key)) {
                self.store.append(&full)?;
            }
        }
        open.iter().try_for_each(|run| self.store.append(run))
    }

    /// Writes records of one table, which are in the order of their keys.
    fn write_table<'k>(
        &self,
        crr: &Crr,
        waiting: &'k [(Key, Waiting)],
        moment: Moment,
        Scratch { stored, update }: &mut Scratch,
        unlogged: &mut Unlogged<'k>,
    ) -> Result<()> {
        if self.write_expected(crr, waiting, update, unlogged)? {
            return Ok(());
        }
        let are_neighbours = self.find_stored(crr, waiting, stored)?;
        if let [_] = waiting {
            let is_first = stored.iter().all(|record| record.is_none());
            crr.expects_new_record.set(is_first);
        }
        let may_open_journal = moment == Moment::BetweenRows && are_neighbours;
        let mut records = Records::new(crr, waiting.len(), may_open_journal);
        let mut stored = stored.iter();
        for (key, waiting) in waiting {
            let (changed, may_be_stored);
            let clock = match waiting {
                Waiting::Clock(clock) => {
                    may_be_stored = true;
                    clock
                }
                Waiting::Change(change) => {
                    let stored = stored.next().flatten();
                    may_be_stored = stored.is_some();
                    match (stored, change) {
                        (None, Deferred::Update(at, columns)) => {
                            let updated = update.first(*at, columns.iter());
                            let record = Record {
                                cl: CausalLength::FIRST_LIFE,
                                bytes: updated.bytes,
                                may_be_stored,
                            };
                            self.store.put_record(crr, &mut records, key, record)?;
                            unlogged.add(crr.id, key, updated.entry, updated.seqs);
                            continue;
                        }
                        (Some((cl, bytes)), Deferred::Update(at, columns)) if cl.is_live() => {
                            if let Some((updated, superseded)) =
                                update.again(bytes, *at, columns.iter())
                            {
                                let record = Record {
                                    cl,
                                    bytes: updated.bytes,
                                    may_be_stored,
                                };
                                self.store.put_record(crr, &mut records, key, record)?;
                                unlogged.add(crr.id, key, updated.entry, updated.seqs);
                                unlogged.superseded.push(superseded);
                                continue;
                            }
                        }
                        _ => {}
                    }
                    let stored = stored.map(|(cl, bytes)| decode(crr, cl, bytes));
                    changed = self.changed_clock(crr, key, stored.transpose()?, *change)?;
                    &changed
                }
            };
            let record = Record {
                cl: clock.cl,
                bytes: &clock.encode(),
                may_be_stored,
            };
            self.store.put_record(crr, &mut records, key, record)?;
            for (entry, seqs) in clock.unlogged() {
                unlogged.add(crr.id, key, entry, seqs);
            }
            unlogged.superseded.extend_from_slice(&clock.superseded);
        }
        self.store.put_waiting(crr, &records)
    }

    /// Writes the record of a row alone with no look-up before, where it is most likely the first; says whether it was.
    fn write_expected<'k>(
        &self,
        crr: &Crr,
        waiting: &'k [(Key, Waiting)],
        update: &mut LocalUpdate,
        unlogged: &mut Unlogged<'k>,
    ) -> Result<bool> {
        let [(key, Waiting::Change(Deferred::Update(at, columns)))] = waiting else {
            return Ok(false);
        };
        if !crr.expects_new_record.get() {
            return Ok(false);
        }
        let updated = update.first(*at, columns.iter());
        let cl = CausalLength::FIRST_LIFE;
        let is_first = self.store.add_record(crr, key, cl, updated.bytes)?;
        if is_first {
            unlogged.add(crr.id, key, updated.entry, updated.seqs);
        }
        Ok(is_first)
    }

    /// Packed keys must stay findable one by one where equal values are settled by site.
    fn may_join_runs(&self, key: &Key) -> Result<bool> {
        Ok(matches!(key, Key::Rowid(_)) || !self.merges_equal_values()?)
    }

    fn note_greatest(&self, crr: &Crr, key: &Key) {
        let mut transaction = self.transaction.borrow_mut();
        if let Some(Bound::Known(last)) = transaction.last_clock_keys.get_mut(&crr.id)
            && last.as_ref().is_none_or(|last| key > last)
        {
            *last = Some(key.clone());
        }
    }

    /// Records the first insert of a row: one more key of the run in memory, if it goes on there.
    pub fn log_first_insert(
        &self,
        crr: &Crr,
        key: &Key,
        at: Position,
        site: SiteOrdinal,
    ) -> Result<()> {
        self.log_entry(crr, key, at, site, crr.insert_stride())
    }

    /// The same for an entry that reserves `stride` seqs.
    pub fn log_entry(
        &self,
        crr: &Crr,
        key: &Key,
        at: Position,
        site: SiteOrdinal,
        stride: u64,
    ) -> Result<()> {
        let has_run = self.transaction.borrow().run.is_some();
        let may_join = has_run && self.may_join_runs(key)?;
        let mut transaction = self.transaction.borrow_mut();
        if may_join
            && let Some(run) = &mut transaction.run
            && Run::to_grow(run).extend(site, crr.id, at, stride, key)
        {
            return Ok(());
        }
        let next = Rc::new(Run::new(site, crr.id, at, stride, key));
        let full = transaction.run.replace(next);
        transaction.full_runs.extend(full);
        let are_many = transaction.full_runs.len() >= FULL_RUNS_MAX;
        drop(transaction);
        if are_many {
            self.write_full_runs()
        } else {
            Ok(())
        }
    }

    fn write_full_runs(&self) -> Result<()> {
        let runs = std::mem::take(&mut self.transaction.borrow_mut().full_runs);
        runs.iter()
            .try_for_each(|run| self.store.append(run))
            .inspect_err(|_| self.doom())
    }

    /// Whether something has to be, or better is, written before a savepoint.
    pub fn has_to_write_before_savepoint(&self) -> bool {
        let transaction = self.transaction.borrow();
        let are_many = transaction.clocks.is_due_before_savepoint();
        transaction.held.is_some() || !transaction.full_runs.is_empty() || are_many
    }

    /// Writes it. SQLite opens the journal of a statement right after this: what is written here does not go
    /// through it.
    pub fn write_before_savepoint(&self) -> Result<()> {
        self.flush_held()?;
        self.write_full_runs()?;
        let are_many = self.transaction.borrow().clocks.is_due_before_savepoint();
        if are_many {
            self.flush_clocks(Moment::AtBoundary)
        } else {
            Ok(())
        }
    }

    /// Whether the held row is one of this table, and its key came as these bytes.
    pub fn is_held(&self, table: TableId, pk: &[u8]) -> bool {
        let held = &self.transaction.borrow().held;
        held.as_ref()
            .is_some_and(|held| held.crr.id == table && held.came_as(pk))
    }

    /// The held row, if it is one of this table whose key came as these bytes.
    pub fn take_held_as(&self, crr: &Rc<Crr>, pk: &[u8]) -> Option<Box<HeldRow>> {
        let held = &mut self.transaction.borrow_mut().held;
        held.take_if(|held| Rc::ptr_eq(&held.crr, crr) && held.came_as(pk))
    }

    /// The held row if it is this one; any other is written first.
    pub fn take_held(&self, crr: &Rc<Crr>, key: &Key) -> Result<Option<Box<HeldRow>>> {
        let held = self.transaction.borrow_mut().held.take();
        match held {
            Some(held) if held.is_of(crr, key) => Ok(Some(held)),
            Some(other) => {
                self.write_held(*other)?;
                self.relieve()?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Holds a row that was taken in `epoch` until another comes.
    pub fn hold(&self, held: Box<HeldRow>, epoch: u64) {
        if self.is_enlisted.get() && self.epoch() == epoch {
            self.transaction.borrow_mut().held = Some(held);
        }
    }

    /// Takes over the held row's clock. From here on a failure leaves a row without its clock.
    fn write_held(&self, held: HeldRow) -> Result<()> {
        if !held.is_dirty {
            return Ok(());
        }
        let (crr, key) = (&held.crr, &held.key);
        let written = match held.pristine_arrival() {
            Some((at, site)) => {
                self.pass(at, crr.insert_stride());
                self.log_first_insert(crr, key, at, site).and_then(|()| {
                    match held.late.is_empty() {
                        true => Ok(()),
                        false => {
                            self.save_clock(crr, key, RowClock::inserted_with(crr.next_column))
                        }
                    }
                })
            }
            None => self.save_clock(crr, key, held.clock),
        };
        written.inspect_err(|_| self.doom())
    }

    /// Writes the held row, so that records are complete. Outside a transaction there is nothing to write.
    pub fn flush_held(&self) -> Result<()> {
        let held = self.transaction.borrow_mut().held.take();
        match held {
            Some(held) => self.write_held(*held),
            None => Ok(()),
        }
    }

    /// Writes everything, so that records and log are complete.
    pub fn flush(&self) -> Result<()> {
        self.flush_held()?;
        self.flush_clocks(Moment::AtBoundary)?;
        self.write_full_runs()?;
        let run = self.transaction.borrow_mut().run.take();
        match run {
            Some(run) => self.store.append(&run).inspect_err(|_| self.doom()),
            None => Ok(()),
        }
    }

    /// Whether records wait to be written.
    pub fn has_unwritten(&self) -> bool {
        let transaction = self.transaction.borrow();
        transaction.held.is_some() || transaction.clocks.len() > 0
    }

    /// As `flush`, where SQLite does not itself restore what `last_insert_rowid()` says.
    pub fn flush_keeping_rowid(&self) -> Result<()> {
        if !self.is_enlisted.get() {
            return Ok(());
        }
        self.store
            .connection
            .keeping_last_insert_rowid(|| self.flush())
    }
}

/// Refuses a write here that no peer would accept: others took its counter to the end.
pub(super) fn check_is_left(crr: &Crr, key: &Key, clock: &RowClock) -> Result<()> {
    clock
        .used_up()
        .map_or(Ok(()), |used_up| Err(refusal(crr, key, used_up)))
}

fn refusal(crr: &Crr, key: &Key, used_up: UsedUp) -> Error {
    let values = crr.key_values(key).unwrap_or_default();
    let key = sql::join(
        ", ",
        values
            .iter()
            .map(|value| sql::value_literal(value.as_ref())),
    );
    let row = format!("the row of table {} with the key {key}", quoted(&crr.name));
    Error::Table(match used_up {
        UsedUp::Row => format!(
            "{row} can't be made again: a peer took its causal length to 2^53, the most that can be sent; use another key"
        ),
        UsedUp::Cell(column) => {
            let column = crr
                .column_by_id(column)
                .map_or("", |index| crr.columns[index].name.as_str());
            format!(
                "column {} of {row} can't be written again: a peer took its version to 2^53, the most that can be sent; \
                 DELETE the row, then INSERT it anew",
                quoted(column)
            )
        }
    })
}
