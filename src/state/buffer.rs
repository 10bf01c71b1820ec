//! Clock records that the open transaction changed and has not written yet.
//!
//! A row that is written many times is stored once, and records are stored in the order of their keys, which
//! is what b-trees like best. `undo` holds what savepoints have to bring back: an older state is noted once
//! for the innermost savepoint, before it is overwritten or leaves the buffer.

use crate::crdt::change::TableId;
use crate::crdt::clock::RowClock;
use crate::schema::{Crr, Key};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::rc::Rc;

/// A buffer of so many records is written before it grows: about 20 MB.
pub const RECORDS_MAX: usize = 1 << 16;

/// A record in the buffer.
#[derive(Debug, Clone)]
struct Buffered {
    clock: RowClock,
    /// When it came: the number of the latest savepoint then
    since: u64,
}

#[derive(Debug)]
struct TableClocks {
    crr: Rc<Crr>,
    clocks: HashMap<Key, Buffered>,
}

/// What the buffer held of a row.
#[derive(Debug)]
struct Undo {
    crr: Rc<Crr>,
    key: Key,
    before: Option<Buffered>,
}

/// The records.
#[derive(Debug, Default)]
pub struct ClockBuffer {
    tables: HashMap<TableId, TableClocks>,
    len: usize,
    undo: Vec<Undo>,
    /// The open savepoints, from the outside in
    marks: Vec<Mark>,
    /// Numbers savepoints, from 1
    latest: u64,
}

/// A savepoint.
#[derive(Debug, Clone, Copy)]
struct Mark {
    number: u64,
    undo_len: usize,
}

/// The records of one table, in the order of their keys.
pub type Drained = (Rc<Crr>, Vec<(Key, RowClock)>);

impl ClockBuffer {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A row's record.
    pub fn get(&self, table: TableId, key: &Key) -> Option<&RowClock> {
        let buffered = self.tables.get(&table)?.clocks.get(key)?;
        Some(&buffered.clock)
    }

    /// Whether what came then was there at the innermost savepoint, with no note of it since.
    fn is_older(&self, since: u64) -> bool {
        self.marks.last().is_some_and(|mark| since < mark.number)
    }

    /// Puts a row's record in.
    pub fn put(&mut self, crr: &Rc<Crr>, key: Key, clock: RowClock) {
        let next = Buffered {
            clock,
            since: self.latest,
        };
        let table = self.tables.entry(crr.id).or_insert_with(|| TableClocks {
            crr: Rc::clone(crr),
            clocks: HashMap::new(),
        });
        let before = match table.clocks.entry(key.clone()) {
            Entry::Occupied(mut entry) => Some(entry.insert(next)),
            Entry::Vacant(entry) => {
                entry.insert(next);
                self.len += 1;
                None
            }
        };
        let has_to_be_noted = match &before {
            Some(before) => self.is_older(before.since),
            None => !self.marks.is_empty(),
        };
        if has_to_be_noted {
            self.undo.push(Undo {
                crr: Rc::clone(crr),
                key,
                before,
            });
        }
    }

    /// Takes a row's record out: whoever takes it puts it back.
    pub fn take(&mut self, table: TableId, key: &Key) -> Option<RowClock> {
        let table = self.tables.get_mut(&table)?;
        let crr = Rc::clone(&table.crr);
        let taken = table.clocks.remove(key)?;
        self.len -= 1;
        if self.is_older(taken.since) {
            let (key, before) = (key.clone(), Some(taken.clone()));
            self.undo.push(Undo { crr, key, before });
        }
        Some(taken.clock)
    }

    /// Takes all records out, to be written.
    pub fn drain(&mut self) -> Vec<Drained> {
        self.len = 0;
        // What was not there at the innermost savepoint need not be taken out again.
        let mark = self.marks.last().map_or(0, |mark| mark.undo_len);
        let mut recent = self.undo.split_off(mark);
        recent.retain(|undo| undo.before.is_some());
        self.undo.append(&mut recent);
        let mut drained = Vec::with_capacity(self.tables.len());
        for (_, table) in std::mem::take(&mut self.tables) {
            let mut clocks = Vec::with_capacity(table.clocks.len());
            for (key, buffered) in table.clocks {
                if self.is_older(buffered.since) {
                    let (crr, key, before) =
                        (Rc::clone(&table.crr), key.clone(), Some(buffered.clone()));
                    self.undo.push(Undo { crr, key, before });
                }
                clocks.push((key, buffered.clock));
            }
            clocks.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            drained.push((table.crr, clocks));
        }
        drained
    }

    /// A savepoint is set.
    pub fn mark(&mut self) {
        self.latest += 1;
        self.marks.push(Mark {
            number: self.latest,
            undo_len: self.undo.len(),
        });
    }

    /// All savepoints but the outermost `kept` are gone, their work stays.
    pub fn release(&mut self, kept: usize) {
        self.marks.truncate(kept);
        if self.marks.is_empty() {
            self.undo.clear();
        }
    }

    /// The work since the savepoint after the outermost `kept` is undone, and that savepoint is gone.
    pub fn undo(&mut self, kept: usize) {
        let undo_len = self
            .marks
            .get(kept)
            .map_or(self.undo.len(), |mark| mark.undo_len);
        self.marks.truncate(kept);
        for Undo { crr, key, before } in self.undo.split_off(undo_len).into_iter().rev() {
            let table = self.tables.entry(crr.id).or_insert_with(|| TableClocks {
                crr,
                clocks: HashMap::new(),
            });
            let replaced = match before {
                Some(before) => {
                    self.len += 1;
                    table.clocks.insert(key, before)
                }
                None => table.clocks.remove(&key),
            };
            self.len -= usize::from(replaced.is_some());
        }
    }

    /// All work is undone, and all savepoints are gone.
    pub fn forget(&mut self) {
        *self = ClockBuffer {
            latest: self.latest,
            ..ClockBuffer::default()
        };
    }
}
