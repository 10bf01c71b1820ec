//! A chunk that is being filled: rows go to the group of their table and columns, and the order of all is noted.

use super::numbers::{Numbers, put_block};
use super::values::Values;
use super::{
    CHUNK_BYTES, CHUNK_COLUMNS_MAX, CHUNK_ROWS_MAX, ChunkHeader, GroupHeader, TableHeader, encoding,
};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Seq};
use crate::crdt::value::ValueRef;
use hashbrown::HashMap;
use std::ops::Range;

/// Where a row's changes come from.
#[derive(Debug, Clone, Copy)]
pub struct RowHead {
    /// The place of the author in the header
    pub site: u32,
    /// The transaction
    pub version: DbVersion,
    /// The place in it
    pub seq: Seq,
    /// The row's causal length
    pub cl: CausalLength,
}

/// A cell to be written.
#[derive(Debug, Clone, Copy)]
pub struct CellWrite<'a> {
    /// How often it was written
    pub version: ColumnVersion,
    /// The distance of its seq to the row's
    pub offset: u64,
    /// What it holds
    pub value: ValueRef<'a>,
}

#[derive(Debug, Default)]
struct CellStreams {
    versions: Numbers,
    offsets: Numbers,
    values: Values,
}

/// Rows of one table and the same columns.
#[derive(Debug, Default)]
struct Group {
    table: u32,
    columns: Vec<u32>,
    rows: usize,
    sites: Numbers,
    versions: Numbers,
    seqs: Numbers,
    lives: Numbers,
    keys: Vec<Values>,
    cells: Vec<CellStreams>,
}

impl Group {
    fn new(table: u32, columns: &[u32], key_columns: usize) -> Group {
        Group {
            table,
            columns: columns.to_vec(),
            keys: vec![Values::default(); key_columns],
            cells: columns.iter().map(|_| CellStreams::default()).collect(),
            ..Group::default()
        }
    }

    fn push<'a>(
        &mut self,
        head: RowHead,
        key: impl Iterator<Item = ValueRef<'a>>,
        cells: impl Iterator<Item = CellWrite<'a>>,
    ) -> usize {
        let mut size = 0;
        self.rows += 1;
        self.sites.push(i64::from(head.site));
        self.versions.push(head.version.to_sql());
        self.seqs.push(head.seq.to_sql());
        self.lives.push(head.cl.to_sql());
        for (stream, value) in self.keys.iter_mut().zip(key) {
            size += stream.push(value);
        }
        for (stream, cell) in self.cells.iter_mut().zip(cells) {
            stream.versions.push(cell.version.to_sql());
            stream.offsets.push(cell.offset as i64);
            size += stream.values.push(cell.value);
        }
        size
    }

    fn write(&self, rows: &Range<usize>, out: &mut Vec<u8>) {
        let mut put = |numbers: &Numbers| {
            put_block(out, |out| numbers.write(rows.start, rows.end, out));
        };
        put(&self.sites);
        put(&self.versions);
        put(&self.seqs);
        put(&self.lives);
        for cell in &self.cells {
            put(&cell.versions);
            put(&cell.offsets);
        }
        let values = self.keys.iter().chain(self.cells.iter().map(|c| &c.values));
        values.for_each(|values| values.write(rows.start, rows.end, out));
    }
}

/// Bytes that each row may take beside its values.
const ROW_BYTES: usize = 8;

/// Bytes that each stream of a group takes at least.
const STREAM_BYTES: usize = 12;

/// The rows of a chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkBuilder {
    groups: Vec<Group>,
    places: HashMap<(u32, Vec<u32>), usize>,
    /// The group of each row
    order: Vec<u32>,
    columns: usize,
    bytes: usize,
}

impl ChunkBuilder {
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    /// About how many bytes it takes without compression, rather more than less.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= CHUNK_BYTES
            || self.order.len() as u64 >= CHUNK_ROWS_MAX
            || self.columns >= CHUNK_COLUMNS_MAX
    }

    /// Takes in a row.
    pub(super) fn push<'a>(
        &mut self,
        (table, columns): (u32, &[u32]),
        key_columns: usize,
        head: RowHead,
        key: impl Iterator<Item = ValueRef<'a>>,
        cells: impl Iterator<Item = CellWrite<'a>>,
    ) {
        let place = self.place(table, columns, key_columns);
        if let Some(group) = self.groups.get_mut(place) {
            self.bytes += ROW_BYTES + group.push(head, key, cells);
            self.order.push(place as u32);
        }
    }

    fn place(&mut self, table: u32, columns: &[u32], key_columns: usize) -> usize {
        if let Some(last) = self.order.last()
            && let Some(group) = self.groups.get(*last as usize)
            && group.table == table
            && group.columns == columns
        {
            return *last as usize;
        }
        let next = self.groups.len();
        let place = *self.places.entry((table, columns.to_vec())).or_insert(next);
        if place == next {
            self.columns += key_columns + columns.len() + 1;
            self.bytes += STREAM_BYTES * (4 + key_columns + 3 * columns.len());
            self.groups.push(Group::new(table, columns, key_columns));
        }
        place
    }

    /// Writes the rows of this range, and counts them in the headers of their tables.
    pub(super) fn write(&self, rows: Range<usize>, tables: &mut [TableHeader]) -> Vec<u8> {
        let mut ranges = vec![0..0; self.groups.len()];
        let mut order: Vec<(u32, u64)> = Vec::new();
        for (index, group) in self.order.iter().enumerate().take(rows.end) {
            let Some(range) = ranges.get_mut(*group as usize) else {
                continue;
            };
            range.end += 1;
            if index < rows.start {
                range.start += 1;
                continue;
            }
            match order.last_mut() {
                Some((last, count)) if last == group => *count += 1,
                _ => order.push((*group, 1)),
            }
        }
        // Groups without rows in this range are left out.
        let mut numbers = vec![0; ranges.len()];
        let mut header = ChunkHeader {
            groups: Vec::new(),
            order,
        };
        for ((range, group), number) in ranges.iter().zip(&self.groups).zip(&mut numbers) {
            if range.is_empty() {
                continue;
            }
            *number = header.groups.len() as u32;
            let count = range.len() as u64;
            header.groups.push(GroupHeader {
                table: group.table,
                columns: group.columns.clone(),
                rows: count,
            });
            if let Some(table) = tables.get_mut(group.table as usize) {
                table.rows += count;
                table.changes += count * group.columns.len().max(1) as u64;
            }
        }
        for (group, _) in &mut header.order {
            *group = numbers.get(*group as usize).copied().unwrap_or_default();
        }
        let mut out = Vec::with_capacity(self.bytes + 64);
        let written = bincode::serde::encode_into_std_write(&header, &mut out, encoding());
        debug_assert!(written.is_ok(), "a chunk's header is small");
        for (range, group) in ranges.iter().zip(&self.groups) {
            if !range.is_empty() {
                group.write(range, &mut out);
            }
        }
        out
    }
}
