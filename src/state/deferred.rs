//! Writes that are recorded without a look at what is stored of their row.
//!
//! What a write makes of a clock depends on the clock before it. Reading that for one row after the other costs
//! more than all the rest where rows come in another order than that of their keys. So the write waits as it is, and
//! meets the stored record when records are written, in the order of their keys, or when somebody asks for it.

use super::State;
use super::records::check_is_left;
use crate::crdt::change::{CausalLength, ColumnId, ColumnVersion, Position, SiteOrdinal};
use crate::crdt::clock::RowClock;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::crr::slot;
use crate::schema::{Crr, Key};
use crate::sql;
use crate::sqlite::Statement;
use crate::store::row_clock::record_bytes;
use std::cmp::Ordering;
use std::ops::Range;
use std::rc::Rc;

/// So many records are passed over before a new search for a key begins.
const RECORDS_PASSED_MAX: u32 = 8;

/// Columns with ids below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSet(u64);

impl ColumnSet {
    /// The set of these columns, which ascend; none if one of them has no place in it.
    pub fn of(columns: &[ColumnId]) -> Option<ColumnSet> {
        let add = |set: u64, column: &ColumnId| Some(set | 1_u64.checked_shl(column.0)?);
        columns.iter().try_fold(0, add).map(ColumnSet)
    }

    /// The set of the columns whose ids are the places of the bits that are 1.
    pub fn of_bits(bits: u64) -> ColumnSet {
        ColumnSet(bits)
    }

    /// How many there are.
    pub fn len(self) -> u64 {
        u64::from(self.0.count_ones())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The columns in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ColumnId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| ColumnId(rest.trailing_zeros()))?;
            rest &= rest - 1;
            Some(next)
        })
    }
}

/// A local write to a live row.
#[derive(Debug, Clone, Copy)]
pub enum Deferred {
    /// It set these columns, whose seqs count up from there.
    Update(Position, ColumnSet),
    /// It deleted the row.
    Delete(Position),
}

/// What waits to be written of a row.
#[derive(Debug, Clone)]
pub enum Waiting {
    /// Its clock
    Clock(Box<RowClock>),
    /// A change to the clock that is stored
    Change(Deferred),
}

impl State {
    /// Records a write to a row without its clock, with so many seqs, if that may be; else the key comes back. It may
    /// not where triggers of the application run, as the row may be another one by the time its write is recorded. Which
    /// late columns the row held at their default is known only now, and in an alter session columns come and go.
    pub fn defer(
        &self,
        crr: &Rc<Crr>,
        key: Key,
        seqs: u64,
        change: impl FnOnce(Position) -> Deferred,
    ) -> Result<Option<Key>> {
        let is_plain = crr.sessions == 0 && !crr.is_unregistered && !crr.has_late();
        if !is_plain || self.has_other_triggers()? {
            return Ok(Some(key));
        }
        self.start_clock()?;
        let refused = self
            .transaction
            .borrow_mut()
            .defer(crr, key, seqs, |at| Waiting::Change(change(at)));
        self.relieve()?;
        Ok(refused)
    }

    /// The clock after a change to what is stored.
    pub(super) fn changed_clock(
        &self,
        crr: &Crr,
        key: &Key,
        stored: Option<RowClock>,
        change: Deferred,
    ) -> Result<RowClock> {
        let mut clock = stored.unwrap_or_else(RowClock::pristine);
        match change {
            Deferred::Delete(at) => {
                clock.start_over(clock.cl.next_delete(), at, SiteOrdinal::LOCAL);
            }
            Deferred::Update(at, columns) if clock.cl.is_live() => {
                write_columns(&mut clock, at, columns);
            }
            Deferred::Update(_, columns) if self.row_exists(crr, &crr.key_values(key)?)? => {
                // It was made again while nothing was captured.
                self.start_new_life(crr, &mut clock)?;
                let at = self.reserve(columns.iter().count() as u64)?;
                write_columns(&mut clock, at, columns);
            }
            Deferred::Update(..) => {}
        }
        check_is_left(crr, key, &clock)?;
        clock.close();
        Ok(clock)
    }

    /// The row was deleted before and is there again.
    pub fn start_new_life(&self, crr: &Crr, clock: &mut RowClock) -> Result<()> {
        clock.start_over(clock.cl.next_create(), self.reserve(1)?, SiteOrdinal::LOCAL);
        let at = self.reserve(crr.columns.len() as u64)?;
        let cells = crr
            .column_ids()
            .map(|column| (column, ColumnVersion::FIRST));
        clock.set_cells(at, SiteOrdinal::LOCAL, cells);
        Ok(())
    }

    /// Finds the stored records of the rows with changes, in the order of `waiting`, which is that of the keys; says
    /// whether all rows have changes and are neighbours: few other records lie between them.
    pub(super) fn find_stored(
        &self,
        crr: &Crr,
        waiting: &[(Key, Waiting)],
        stored: &mut StoredRecords,
    ) -> Result<bool> {
        stored.clear();
        let is_change = |waiting: &Waiting| matches!(waiting, Waiting::Change(_));
        let mut changed = waiting
            .iter()
            .filter(|(_, waiting)| is_change(waiting))
            .map(|(key, _)| key)
            .peekable();
        if changed.peek().is_none() {
            return Ok(false);
        }
        let text = || crr.clock_sql(sql::CLOCK_SCAN);
        crr.statements
            .with(slot::CLOCK_SCAN, self.store.connection, text, |records| {
                let mut scan = Scan::new(records);
                changed.try_for_each(|key| scan.find(key, stored))?;
                Ok(scan.searches <= 1 && stored.found.len() == waiting.len())
            })
    }
}

/// The bytes of records as they are stored, for one row after the other.
#[derive(Debug, Default)]
pub struct StoredRecords {
    found: Vec<Option<(CausalLength, Range<usize>)>>,
    bytes: Vec<u8>,
}

impl StoredRecords {
    fn clear(&mut self) {
        self.found.clear();
        self.bytes.clear();
    }

    fn add(&mut self, record: Option<(CausalLength, &[u8])>) {
        let found = record.map(|(cl, bytes)| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            (cl, start..self.bytes.len())
        });
        self.found.push(found);
    }

    /// The record of each row; none of one that has none.
    pub fn iter(&self) -> impl Iterator<Item = Option<(CausalLength, &[u8])>> {
        self.found.iter().map(|found| {
            let (cl, place) = found.as_ref()?;
            Some((*cl, self.bytes.get(place.clone()).unwrap_or_default()))
        })
    }
}

/// Sets columns to their next versions, at seqs from `at` on.
fn write_columns(clock: &mut RowClock, at: Position, columns: ColumnSet) {
    for (offset, column) in (0..).zip(columns.iter()) {
        let version = clock.column_version(column).unwrap_or_default().next();
        let at = Position {
            seq: at.seq.plus(offset),
            ..at
        };
        clock.set_cell(at, SiteOrdinal::LOCAL, column, version);
    }
}

/// Looks for keys in ascending order.
struct Scan<'s> {
    records: &'s mut Statement,
    is_at_record: bool,
    is_at_end: bool,
    searches: usize,
}

impl<'s> Scan<'s> {
    fn new(records: &'s mut Statement) -> Scan<'s> {
        Scan {
            records,
            is_at_record: false,
            is_at_end: false,
            searches: 0,
        }
    }

    /// Adds the record of a key to `stored`.
    fn find(&mut self, key: &Key, stored: &mut StoredRecords) -> Result<()> {
        let mut passed = 0;
        while !self.is_at_end {
            if self.is_at_record {
                match compare(self.records.value(0), key) {
                    Ordering::Greater => break,
                    Ordering::Equal => {
                        stored.add(Some(record_bytes(self.records, 1)));
                        return Ok(());
                    }
                    Ordering::Less => passed += 1,
                }
            }
            if !self.is_at_record || passed > RECORDS_PASSED_MAX {
                self.records.reset();
                self.records.bind_all([key.stored()])?;
                self.searches += 1;
                passed = 0;
            }
            self.is_at_record = self.records.step()?;
            self.is_at_end = !self.is_at_record;
        }
        stored.add(None);
        Ok(())
    }
}

fn compare(stored: ValueRef<'_>, key: &Key) -> Ordering {
    match (stored, key) {
        (ValueRef::Integer(stored), Key::Rowid(rowid)) => stored.cmp(rowid),
        (ValueRef::Blob(stored), Key::Packed(packed)) => stored.cmp(&packed[..]),
        // Neither is ever stored in a table of the other kind.
        (_, Key::Rowid(_)) => Ordering::Greater,
        (_, Key::Packed(_)) => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_its_columns_in_order_and_refuses_one_without_a_place() {
        let columns = [ColumnId(0), ColumnId(5), ColumnId(63)];
        let set = ColumnSet::of(&columns).expect("all have a place");
        assert_eq!(set.iter().collect::<Vec<_>>(), columns);
        assert_eq!(ColumnSet::of(&[ColumnId(1), ColumnId(64)]), None);
    }
}
