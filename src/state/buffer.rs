//! Clock records that the open transaction changed and has not written yet.
//!
//! A row that is written many times is stored once, and records are stored in the order of their keys, which
//! is what b-trees like best. What a savepoint has to bring back is noted once, before it is overwritten or
//! leaves the buffer; what came after the savepoint is known by its number and just goes.

use super::deferred::Waiting;
use crate::crdt::change::TableId;
use crate::schema::{Crr, Key};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;
use std::rc::Rc;

/// A buffer of so many records is written in the middle of a statement, whatever its journal is made to copy: about 10 MB.
const RECORDS_MAX: usize = 1 << 16;

/// A buffer of so many records is written between statements. Sorted, they are many enough to be neighbours.
const RECORDS_BEFORE_SAVEPOINT_MAX: usize = 1 << 15;

/// The same where the keys came in their order: waiting for more makes no better neighbours of them, and few stay in the
/// processor's cache.
const RECORDS_IN_ORDER_MAX: usize = 1 << 12;

/// A record in the buffer.
#[derive(Debug, Clone)]
struct Buffered {
    waiting: Waiting,
    /// The number of the latest savepoint when its key came into the buffer
    created: u64,
    /// The number of the latest savepoint when it was last written
    since: u64,
}

impl Buffered {
    fn new(waiting: Waiting, latest: u64) -> Buffered {
        Buffered {
            waiting,
            created: latest,
            since: latest,
        }
    }
}

/// Where a record stands, by the hash of its key.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u64,
    index: usize,
}

/// Where a key would stand that is not there.
#[derive(Debug, Clone, Copy)]
enum Vacancy {
    /// Behind all keys, which ascend
    Last,
    /// At this hash
    Hashed(u64),
}

/// The records of one table, in the order in which they came.
#[derive(Debug)]
struct TableClocks {
    crr: Rc<Crr>,
    records: Vec<(Key, Buffered)>,
    /// None as long as the keys ascend, which they often do: then the records themselves can be searched
    places: Option<HashTable<Place>>,
    hasher: DefaultHashBuilder,
}

impl TableClocks {
    fn new(crr: Rc<Crr>) -> TableClocks {
        TableClocks {
            crr,
            records: Vec::new(),
            places: None,
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn find(&self, key: &Key) -> Option<usize> {
        self.search(key).ok()
    }

    /// Where a record stands, or what `add` wants to know.
    fn search(&self, key: &Key) -> Result<usize, Vacancy> {
        let Some(places) = &self.places else {
            return match self.records.last() {
                None => Err(Vacancy::Last),
                Some((last, _)) if last < key => Err(Vacancy::Last),
                Some(_) => self
                    .records
                    .binary_search_by(|(held, _)| held.cmp(key))
                    .map_err(|_| Vacancy::Hashed(self.hasher.hash_one(key))),
            };
        };
        let hash = self.hasher.hash_one(key);
        let found = places.find(hash, |place| self.records[place.index].0 == *key);
        found.map(|place| place.index).ok_or(Vacancy::Hashed(hash))
    }

    fn get(&self, key: &Key) -> Option<&Buffered> {
        self.find(key).map(|index| &self.records[index].1)
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
        self.places = None;
        for (key, record) in std::mem::take(&mut self.records) {
            if record.created < number {
                self.insert(key, record);
            }
        }
    }

    /// Puts a record in, in place of the one that may be there.
    fn insert(&mut self, key: Key, record: Buffered) {
        match self.search(&key) {
            Ok(index) => self.records[index].1 = record,
            Err(vacancy) => self.add(key, record, vacancy),
        }
    }

    /// Puts in a record whose key is not there.
    fn add(&mut self, key: Key, record: Buffered, vacancy: Vacancy) {
        if let Vacancy::Hashed(hash) = vacancy {
            let index = self.records.len();
            self.index()
                .insert_unique(hash, Place { hash, index }, |place| place.hash);
        }
        self.records.push((key, record));
    }

    /// Makes the records findable that are not in the order of their keys any more.
    fn index(&mut self) -> &mut HashTable<Place> {
        let (records, hasher) = (&self.records, &self.hasher);
        self.places.get_or_insert_with(|| {
            let mut places = HashTable::with_capacity(2 * records.len());
            for (index, (key, _)) in records.iter().enumerate() {
                let hash = hasher.hash_one(key);
                places.insert_unique(hash, Place { hash, index }, |place| place.hash);
            }
            places
        })
    }

    fn remove(&mut self, key: &Key) -> Option<Buffered> {
        let index = self.find(key)?;
        let last = self.records.len() - 1;
        let (hash, last_hash) = (
            self.hasher.hash_one(key),
            self.hasher.hash_one(&self.records[last].0),
        );
        if index != last || self.places.is_some() {
            let places = self.index();
            if let Ok(found) = places.find_entry(hash, |place| place.index == index) {
                found.remove();
            }
            // The last record takes the place that is free now.
            if let Some(moved) = places.find_mut(last_hash, |place| place.index == last) {
                moved.index = index;
            }
        }
        Some(self.records.swap_remove(index).1)
    }

    /// The records in the order of their keys.
    fn into_sorted(self) -> Drained {
        let TableClocks {
            crr,
            records,
            places,
            ..
        } = self;
        if places.is_none() {
            let waiting = |(key, buffered): (Key, Buffered)| (key, buffered.waiting);
            return (crr, records.into_iter().map(waiting).collect());
        }
        // Sorted are small things: the first bytes of keys, and their places for where those are equal.
        let mut order: Vec<(u128, usize)> = records
            .iter()
            .enumerate()
            .map(|(index, (key, _))| (key.prefix(), index))
            .collect();
        order.sort_unstable_by(|(a, a_index), (b, b_index)| {
            let keys = || records[*a_index].0.cmp(&records[*b_index].0);
            a.cmp(b).then_with(keys)
        });
        let mut records: Vec<Option<(Key, Buffered)>> = records.into_iter().map(Some).collect();
        let mut sorted = Vec::with_capacity(records.len());
        for (_, index) in order {
            if let Some((key, buffered)) = records[index].take() {
                sorted.push((key, buffered.waiting));
            }
        }
        (crr, sorted)
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
pub type Drained = (Rc<Crr>, Vec<(Key, Waiting)>);

impl ClockBuffer {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the records are better written before a savepoint is set.
    pub fn is_due_before_savepoint(&self) -> bool {
        self.len >= RECORDS_BEFORE_SAVEPOINT_MAX || self.are_many_in_order()
    }

    /// Whether the records are to be written between two rows. Without a savepoint no journal copies what they replace.
    pub fn is_due(&self) -> bool {
        self.len >= RECORDS_MAX || !self.has_savepoint() && self.are_many_in_order()
    }

    /// Whether a savepoint is set.
    pub fn has_savepoint(&self) -> bool {
        !self.marks.is_empty()
    }

    fn are_many_in_order(&self) -> bool {
        self.len >= RECORDS_IN_ORDER_MAX && self.tables.values().all(|table| table.places.is_none())
    }

    /// A row's record.
    pub fn get(&self, table: TableId, key: &Key) -> Option<&Waiting> {
        let buffered = self.tables.get(&table)?.get(key)?;
        Some(&buffered.waiting)
    }

    /// Whether what came then was there at the innermost savepoint, with no note of it since.
    fn is_older(&self, since: u64) -> bool {
        since < self.innermost()
    }

    /// The number of the innermost savepoint; 0, below all, outside of them.
    fn innermost(&self) -> u64 {
        self.marks.last().map_or(0, |mark| mark.number)
    }

    fn table(&mut self, crr: &Rc<Crr>) -> &mut TableClocks {
        self.tables
            .entry(crr.id)
            .or_insert_with(|| TableClocks::new(Rc::clone(crr)))
    }

    /// Puts a row's record in.
    pub fn put(&mut self, crr: &Rc<Crr>, key: Key, waiting: Waiting) {
        let next = Buffered::new(waiting, self.latest);
        let table = self.table(crr);
        match table.search(&key) {
            Ok(place) => {
                let held = &mut table.records[place].1;
                let before = std::mem::replace(held, next);
                held.created = before.created;
                if self.is_older(before.since) {
                    self.undo.push(Undo {
                        crr: Rc::clone(crr),
                        key,
                        before,
                    });
                }
            }
            Err(vacancy) => {
                table.add(key, next, vacancy);
                self.len += 1;
            }
        }
    }

    /// Puts in what `make` gives, unless there is a record of this row: then the key comes back.
    pub fn put_first(
        &mut self,
        crr: &Rc<Crr>,
        key: Key,
        make: impl FnOnce() -> Waiting,
    ) -> Option<Key> {
        let latest = self.latest;
        let table = self.table(crr);
        let Err(vacancy) = table.search(&key) else {
            return Some(key);
        };
        table.add(key, Buffered::new(make(), latest), vacancy);
        self.len += 1;
        None
    }

    /// Takes a row's record out: whoever takes it puts it back.
    pub fn take(&mut self, table: TableId, key: &Key) -> Option<Waiting> {
        let table = self.tables.get_mut(&table)?;
        let crr = Rc::clone(&table.crr);
        let taken = table.remove(key)?;
        self.len -= 1;
        if self.is_older(taken.since) {
            let (key, before) = (key.clone(), taken.clone());
            self.undo.push(Undo { crr, key, before });
        }
        Some(taken.waiting)
    }

    /// Takes all records out, to be written.
    pub fn drain(&mut self) -> Vec<Drained> {
        self.len = 0;
        let mut drained = Vec::with_capacity(self.tables.len());
        let innermost = self.innermost();
        for (_, table) in self.tables.drain() {
            let records = table.records.iter();
            let older = records.filter(|(_, buffered)| buffered.since < innermost);
            self.undo.extend(older.map(|(key, buffered)| Undo {
                crr: Rc::clone(&table.crr),
                key: key.clone(),
                before: buffered.clone(),
            }));
            drained.push(table.into_sorted());
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

    /// Another transaction begins.
    pub fn restart(&mut self) {
        self.tables.clear();
        self.len = 0;
        self.undo = Vec::new();
        self.marks.clear();
        self.latest = 0;
    }

    /// All work is undone, and all savepoints are gone.
    pub fn forget(&mut self) {
        *self = ClockBuffer {
            latest: self.latest,
            ..ClockBuffer::default()
        };
    }
}
