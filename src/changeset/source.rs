//! What the entries of the log say, with the values of the rows, for a changeset.

use crate::crdt::change::{CausalLength, Position, SiteOrdinal, TableId};
use crate::crdt::changeset::{CellWrite, RowHead, Writer};
use crate::crdt::clock::RowClock;
use crate::crdt::key as packed_key;
use crate::crdt::value::ValueRef;
use crate::entry_changes::{Emitted, collect};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::state::State;
use crate::store::log::{Run, RunKeys};
use crate::store::row_finder::RowFinder;
use hashbrown::HashMap;
use std::rc::Rc;

/// A table that is read.
struct OpenTable {
    shape: Shape,
    rows: RowFinder,
}

/// A table with its place in the changeset.
struct Shape {
    crr: Rc<Crr>,
    place: u32,
    /// The places of its columns, as far as they have one
    columns: Vec<Option<u32>>,
    /// No row with a greater key has a record
    last_clock_key: Option<Key>,
    /// The stride of the latest first insert, and the columns it is about
    whole: Option<(u64, Vec<Emitted>, Vec<u32>)>,
}

/// The run that is being read.
struct OpenRun {
    run: Run,
    next: u64,
    /// Where the next packed key starts
    offset: usize,
    table: usize,
    site: u32,
}

/// The key of an entry: a rowid, or where the packed key is.
#[derive(Clone, Copy)]
pub(super) enum EntryKey {
    Rowid(i64),
    Packed(usize, usize),
}

/// Reads entries of the log.
pub(super) struct Source<'a> {
    state: &'a State,
    tables: Vec<OpenTable>,
    places: HashMap<TableId, usize>,
    sites: HashMap<SiteOrdinal, (Vec<u8>, Option<u32>)>,
    run: Option<OpenRun>,
    changes: Vec<Emitted>,
    columns: Vec<u32>,
}

impl<'a> Source<'a> {
    pub(super) fn new(state: &'a State) -> Source<'a> {
        Source {
            state,
            tables: Vec::new(),
            places: HashMap::new(),
            sites: HashMap::new(),
            run: None,
            changes: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Starts to read a run; false if its author is not wanted or its table is gone.
    pub(super) fn open(
        &mut self,
        run: &Run,
        not_site: Option<&[u8]>,
        writer: &mut Writer,
    ) -> Result<bool> {
        if !self.sites.contains_key(&run.site) {
            let id = self.state.store.site_id(run.site)?;
            self.sites.insert(run.site, (id, None));
        }
        let Some((id, place)) = self.sites.get_mut(&run.site) else {
            return Ok(false);
        };
        if not_site == Some(&id[..]) {
            return Ok(false);
        }
        let site = *place.get_or_insert_with(|| writer.site(id));
        let Some(table) = self.open_table(run.table, writer)? else {
            return Ok(false);
        };
        self.run = Some(OpenRun {
            run: run.clone(),
            next: 0,
            offset: 0,
            table,
            site,
        });
        Ok(true)
    }

    fn open_table(&mut self, id: TableId, writer: &mut Writer) -> Result<Option<usize>> {
        if let Some(place) = self.places.get(&id) {
            return Ok(Some(*place));
        }
        let state = self.state;
        let Some(crr) = state.table(id)? else {
            return Ok(None);
        };
        let last_clock_key = state.store.last_clock_key(&crr)?;
        let rows = RowFinder::new(state.store.connection, &crr);
        self.places.insert(id, self.tables.len());
        self.tables.push(OpenTable {
            shape: Shape {
                place: writer.add_table(&crr.name, crr.key_columns.len()),
                columns: vec![None; crr.columns.len()],
                crr,
                last_clock_key,
                whole: None,
            },
            rows,
        });
        Ok(Some(self.tables.len() - 1))
    }

    /// The next entry of the run.
    pub(super) fn next_entry(&mut self) -> Result<Option<(Position, EntryKey)>> {
        let Some(open) = &mut self.run else {
            return Ok(None);
        };
        if open.next >= open.run.count {
            self.run = None;
            return Ok(None);
        }
        let index = open.next;
        open.next += 1;
        let key = match &open.run.keys {
            RunKeys::Rowids(first) => EntryKey::Rowid(first.wrapping_add_unsigned(index)),
            RunKeys::Packed(all) => {
                let rest = all.get(open.offset..).unwrap_or_default();
                let (packed, _) = packed_key::split_first(rest).map_err(|_| damaged())?;
                let start = open.offset;
                open.offset += packed.len();
                EntryKey::Packed(start, open.offset)
            }
        };
        Ok(Some((open.run.position(index), key)))
    }

    /// Writes what an entry says; false if that is nothing.
    pub(super) fn write(
        &mut self,
        at: Position,
        key: EntryKey,
        writer: &mut Writer,
    ) -> Result<bool> {
        let Some(open) = &self.run else {
            return Ok(false);
        };
        let Some(OpenTable { shape, rows }) = self.tables.get_mut(open.table) else {
            return Ok(false);
        };
        let place = shape.place;
        let clock = shape.clock(self.state, key, &open.run)?;
        let cl = clock
            .as_ref()
            .map_or(CausalLength::FIRST_LIFE, |clock| clock.cl);
        let stride = open.run.stride;
        self.changes.clear();
        self.columns.clear();
        let (changes, columns) = match &clock {
            None => shape.whole_row(at, stride, writer),
            Some(_) => {
                collect(&shape.crr, clock.as_ref(), (at, stride), &mut self.changes);
                for change in &self.changes {
                    if let Some(column) = change.column {
                        self.columns.push(shape.column(column, writer));
                    }
                }
                (&self.changes[..], &self.columns[..])
            }
        };
        let Some(first) = changes.first() else {
            return Ok(false);
        };
        let mut key_values = Vec::with_capacity(1);
        key.values(&open.run, &mut key_values)?;
        if cl.is_live() && !rows.find(&key_values)? {
            return Ok(false);
        }
        let head = RowHead {
            site: open.site,
            version: at.version,
            seq: match clock {
                None => at.seq,
                Some(_) => first.seq,
            },
            cl,
        };
        let base = if clock.is_none() { 0 } else { head.seq.0 };
        let cells = changes.iter().filter_map(|change| {
            Some(CellWrite {
                version: crate::crdt::change::ColumnVersion(change.version),
                offset: change.seq.0.saturating_sub(base),
                value: rows.value(change.column?),
            })
        });
        writer.push((place, columns), head, key_values.into_iter(), cells);
        Ok(true)
    }
}

fn damaged() -> Error {
    Error::Corrupt(
        "a row of crsql_log is damaged; restore the file, or rebuild it from a peer".to_owned(),
    )
}

impl EntryKey {
    fn bytes(self, run: &Run) -> &[u8] {
        match (&run.keys, self) {
            (RunKeys::Packed(all), EntryKey::Packed(start, end)) => {
                all.get(start..end).unwrap_or_default()
            }
            _ => &[],
        }
    }

    fn values<'r>(self, run: &'r Run, values: &mut Vec<ValueRef<'r>>) -> Result<()> {
        match self {
            EntryKey::Rowid(rowid) => values.push(ValueRef::Integer(rowid)),
            EntryKey::Packed(..) => {
                packed_key::unpack_into(self.bytes(run), values).map_err(|_| damaged())?;
            }
        }
        Ok(())
    }
}

impl Shape {
    /// The record of a row, if it can have one.
    fn clock(&self, state: &State, key: EntryKey, run: &Run) -> Result<Option<RowClock>> {
        let key = match (key, &self.last_clock_key) {
            (EntryKey::Rowid(rowid), Some(Key::Rowid(last))) if rowid <= *last => Key::Rowid(rowid),
            (EntryKey::Packed(..), Some(Key::Packed(last))) if key.bytes(run) <= &last[..] => {
                Key::Packed(key.bytes(run).to_vec())
            }
            _ => return Ok(None),
        };
        state.store.clock(&self.crr, &key)
    }

    /// What the entry of a pristine row says: its changes with their distances, and the places of their columns.
    fn whole_row(
        &mut self,
        at: Position,
        stride: u64,
        writer: &mut Writer,
    ) -> (&[Emitted], &[u32]) {
        if self.whole.as_ref().is_none_or(|(of, ..)| *of != stride) {
            let mut changes = Vec::new();
            let start = Position {
                seq: crate::crdt::change::Seq(0),
                ..at
            };
            collect(&self.crr, None, (start, stride), &mut changes);
            let columns = changes
                .iter()
                .filter_map(|change| change.column)
                .collect::<Vec<_>>()
                .into_iter()
                .map(|column| self.column(column, writer))
                .collect();
            self.whole = Some((stride, changes, columns));
        }
        match &self.whole {
            Some((_, changes, columns)) => (changes, columns),
            None => (&[], &[]),
        }
    }

    /// The place of a column in the changeset.
    fn column(&mut self, index: usize, writer: &mut Writer) -> u32 {
        let Some(column) = self.crr.columns.get(index) else {
            return 0;
        };
        let table = self.place;
        match self.columns.get_mut(index) {
            Some(place) => *place.get_or_insert_with(|| writer.add_column(table, &column.name)),
            None => 0,
        }
    }
}
