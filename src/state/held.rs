//! The row that a merge is working on: its clock is written when the merge goes on to another row.
//!
//! A row usually arrives one column at a time. Its values go to the table at once; its clock waits, so that
//! a row that came whole ends up pristine, with one log entry and no record.

use crate::crdt::change::{CausalLength, ColumnId, ColumnVersion, Position, SiteOrdinal};
use crate::crdt::clock::{Base, RowClock};
use crate::crdt::value::Value;
use crate::schema::{Crr, Key};
use std::rc::Rc;

/// A row and its clock, ahead of what is stored.
#[derive(Debug)]
pub struct HeldRow {
    /// Its table
    pub crr: Rc<Crr>,
    /// Its key
    pub key: Key,
    /// The key as it came; empty if it did not come packed
    pub pk: Vec<u8>,
    /// The values of the key
    pub values: Vec<Value>,
    /// Its clock
    pub clock: RowClock,
    /// Whether it is in the table
    pub exists: bool,
    /// Whether it only seems not to be in the table: nobody looked yet
    pub is_presumed_new: bool,
    /// Whether nothing was known of it before
    pub was_unknown: bool,
    /// Whether the clock has to be written
    pub is_dirty: bool,
    /// The late columns that were given their default
    pub late: Vec<ColumnId>,
}

impl HeldRow {
    /// Whether this is the held form of that row.
    pub fn is_of(&self, crr: &Rc<Crr>, key: &Key) -> bool {
        Rc::ptr_eq(&self.crr, crr) && self.key == *key
    }

    /// Whether its key came as these bytes.
    pub fn came_as(&self, pk: &[u8]) -> bool {
        !pk.is_empty() && self.pk == pk
    }

    /// Takes note of a value that was given to a late column.
    pub fn note_late(&mut self, column: ColumnId, holds_default: bool) {
        self.late.retain(|late| *late != column);
        if holds_default {
            self.late.push(column);
        }
    }

    /// Where and from whom the row came, if it came whole and new: then it needs no record.
    pub fn pristine_arrival(&self) -> Option<(Position, SiteOrdinal)> {
        let clock = &self.clock;
        let is_first_life = self.was_unknown && self.exists && clock.cl == CausalLength::FIRST_LIFE;
        if !is_first_life || clock.base != Base::Unset || !clock.inherited.is_empty() {
            return None;
        }
        match (&clock.sentinel, clock.groups.first()) {
            (Some(entry), None) if self.crr.columns.is_empty() && !entry.is_logged => {
                Some((entry.at, entry.site))
            }
            (None, Some(first)) => {
                let is_alike = |group: &crate::crdt::clock::Group| {
                    let entry = group.entry;
                    !entry.is_logged
                        && entry.site == first.entry.site
                        && entry.at.version == first.entry.at.version
                        && group
                            .cells
                            .iter()
                            .all(|cell| cell.version == ColumnVersion::FIRST)
                };
                let cells: usize = clock.groups.iter().map(|group| group.cells.len()).sum();
                let is_whole = cells == self.crr.columns.len() && clock.groups.iter().all(is_alike);
                is_whole.then_some((first.entry.at, first.entry.site))
            }
            _ => None,
        }
    }
}
