//! Clock records that the open transaction changed and has not written yet.
//!
//! A row that is written many times is stored once, and records are stored in the order of their keys, which
//! is what b-trees like best. What a savepoint has to bring back is noted once, before it is overwritten or
//! leaves the buffer; what came after the savepoint is known by its number and just goes.

use crate::crdt::change::TableId;
use crate::crdt::clock::RowClock;
use crate::schema::{Crr, Key};
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;
use std::rc::Rc;

/// A buffer of so many records is written in the middle of a statement: about 10 MB.
pub const RECORDS_MAX: usize = 1 << 15;

/// A buffer of so many records is written between statements. Sorted, they are many enough to be neighbours.
pub const RECORDS_BEFORE_SAVEPOINT_MAX: usize = 1 << 13;

/// A record in the buffer.
#[derive(Debug, Clone)]
struct Buffered {
    clock: Box<RowClock>,
    /// The number of the latest savepoint when its key came into the buffer
    created: u64,
    /// The number of the latest savepoint when it was last written
    since: u64,
}

/// The records of one table, in the order in which they came, which is often that of their keys.
#[derive(Debug)]
struct TableClocks {
    crr: Rc<Crr>,
    records: Vec<(Key, Buffered)>,
    /// The places in `records`, by key
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

impl TableClocks {
    fn new(crr: Rc<Crr>) -> TableClocks {
        TableClocks {
            crr,
            records: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn find(&self, key: &Key) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.places
            .find(hash, |place| self.records[*place].0 == *key)
            .copied()
    }

    fn get(&self, key: &Key) -> Option<&Buffered> {
        self.find(key).map(|place| &self.records[place].1)
    }

    /// Drops the records whose keys came after the savepoint of this number was set.
    fn keep_created_before(&mut self, number: u64) {
        if self
            .records
            .iter()
            .all(|(_, record)| record.created < number)
        {
            return;
        }
        self.places.clear();
        for (key, record) in std::mem::take(&mut self.records) {
            if record.created < number {
                self.insert(key, record);
            }
        }
    }

    /// Puts a record in and gives the one it replaces.
    fn insert(&mut self, key: Key, record: Buffered) -> Option<Buffered> {
        let TableClocks {
            records,
            places,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(&key);
        let found = places.entry(
            hash,
            |place| records[*place].0 == key,
            |place| hasher.hash_one(&records[*place].0),
        );
        match found {
            Entry::Occupied(place) => Some(std::mem::replace(&mut records[*place.get()].1, record)),
            Entry::Vacant(place) => {
                place.insert(records.len());
                records.push((key, record));
                None
            }
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Buffered> {
        let TableClocks {
            records,
            places,
            hasher,
            ..
        } = self;
        let found = places
            .find_entry(hasher.hash_one(key), |place| records[*place].0 == *key)
            .ok()?;
        let (place, _) = found.remove();
        // The last record takes the place that is free now.
        let last = records.len() - 1;
        let last_hash = hasher.hash_one(&records[last].0);
        if place != last
            && let Some(moved) = places.find_mut(last_hash, |place| *place == last)
        {
            *moved = place;
        }
        Some(records.swap_remove(place).1)
    }
}

/// What the buffer held of a row.
#[derive(Debug)]
struct Undo {
    crr: Rc<Crr>,
    key: Key,
    before: Buffered,
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
pub type Drained = (Rc<Crr>, Vec<(Key, Box<RowClock>)>);

impl ClockBuffer {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A row's record.
    pub fn get(&self, table: TableId, key: &Key) -> Option<&RowClock> {
        let buffered = self.tables.get(&table)?.get(key)?;
        Some(&buffered.clock)
    }

    /// Whether what came then was there at the innermost savepoint, with no note of it since.
    fn is_older(&self, since: u64) -> bool {
        self.marks.last().is_some_and(|mark| since < mark.number)
    }

    /// Puts a row's record in.
    pub fn put(&mut self, crr: &Rc<Crr>, key: &Key, clock: RowClock) {
        let latest = self.latest;
        let table = self
            .tables
            .entry(crr.id)
            .or_insert_with(|| TableClocks::new(Rc::clone(crr)));
        let next = Buffered {
            clock: Box::new(clock),
            created: latest,
            since: latest,
        };
        match table.find(key) {
            Some(place) => {
                let held = &mut table.records[place].1;
                let before = std::mem::replace(held, next);
                held.created = before.created;
                if self.is_older(before.since) {
                    self.undo.push(Undo {
                        crr: Rc::clone(crr),
                        key: key.clone(),
                        before,
                    });
                }
            }
            None => {
                table.insert(key.clone(), next);
                self.len += 1;
            }
        }
    }

    /// Takes a row's record out: whoever takes it puts it back.
    pub fn take(&mut self, table: TableId, key: &Key) -> Option<RowClock> {
        let table = self.tables.get_mut(&table)?;
        let crr = Rc::clone(&table.crr);
        let taken = table.remove(key)?;
        self.len -= 1;
        if self.is_older(taken.since) {
            let (key, before) = (key.clone(), taken.clone());
            self.undo.push(Undo { crr, key, before });
        }
        Some(*taken.clock)
    }

    /// Takes all records out, to be written.
    pub fn drain(&mut self) -> Vec<Drained> {
        self.len = 0;
        let mut drained = Vec::with_capacity(self.tables.len());
        for (_, table) in std::mem::take(&mut self.tables) {
            let mut clocks = Vec::with_capacity(table.records.len());
            for (key, buffered) in table.records {
                if self.is_older(buffered.since) {
                    let (crr, key, before) = (Rc::clone(&table.crr), key.clone(), buffered.clone());
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
        let Some(mark) = self.marks.get(kept).copied() else {
            return;
        };
        self.marks.truncate(kept);
        for table in self.tables.values_mut() {
            table.keep_created_before(mark.number);
        }
        let noted = self.undo.split_off(mark.undo_len).into_iter().rev();
        for Undo { crr, key, before } in noted.filter(|undo| undo.before.created < mark.number) {
            let table = self
                .tables
                .entry(crr.id)
                .or_insert_with(|| TableClocks::new(crr));
            table.insert(key, before);
        }
        self.len = self.tables.values().map(|table| table.records.len()).sum();
    }

    /// All work is undone, and all savepoints are gone.
    pub fn forget(&mut self) {
        *self = ClockBuffer {
            latest: self.latest,
            ..ClockBuffer::default()
        };
    }
}
