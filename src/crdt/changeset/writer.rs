//! Writing a changeset row by row. What was written since the end of the last transaction can be left out again.

use super::builder::{CellWrite, ChunkBuilder, RowHead};
use super::numbers::put_varint;
use super::reader::checksum;
use super::{
    CHUNK_BYTES_FREE, ColumnHeader, EXPANSION_MAX, FORMAT, Header, KIND_LAST_WRITER_WINS, MAGIC,
    PREFIX_BYTES, Part, TableHeader, encoding,
};
use crate::crdt::change::{DbVersion, Position, Seq};
use crate::crdt::value::ValueRef;
use std::ops::Range;
use zstd::bulk::Compressor;

/// The bytes of a chunk as they are.
pub(super) const STORED: u8 = 0;
/// A frame of zstd (RFC 8878), perhaps followed by a skippable one.
pub(super) const ZSTD: u8 = 1;

/// Begins a frame that decompressors pass over.
const SKIPPABLE_FRAME: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// Bytes of a header beside its names.
const HEADER_BYTES: usize = 128;

/// What is known of a changeset before its rows.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The database
    pub site: Vec<u8>,
    /// What it follows
    pub after: (DbVersion, Option<Seq>),
    /// How hard to compress, as zstd counts it; 0 is not at all
    pub level: i32,
}

/// What was written up to some row.
#[derive(Debug, Clone, Default)]
struct Written {
    length: usize,
    chunks: u64,
    counts: Vec<(u64, u64)>,
}

/// Writes a changeset.
pub struct Writer {
    origin: Origin,
    sites: Vec<Vec<u8>>,
    tables: Vec<TableHeader>,
    names_bytes: usize,
    first: Option<DbVersion>,
    open: ChunkBuilder,
    body: Vec<u8>,
    chunks: u64,
    compressor: Option<Compressor<'static>>,
    /// The end of the last whole transaction: in the open chunk, and in the body before that
    marked_rows: usize,
    marked: Written,
}

impl Writer {
    /// Starts a changeset.
    pub fn new(origin: Origin) -> Writer {
        let compressor = match origin.level {
            0 => None,
            level => Compressor::new(level).ok(),
        };
        Writer {
            origin,
            sites: Vec::new(),
            tables: Vec::new(),
            names_bytes: 0,
            first: None,
            open: ChunkBuilder::default(),
            body: Vec::new(),
            chunks: 0,
            compressor,
            marked_rows: 0,
            marked: Written::default(),
        }
    }

    /// The place of an author.
    pub fn site(&mut self, id: &[u8]) -> u32 {
        let known = self.sites.iter().position(|site| site == id);
        let place = known.unwrap_or_else(|| {
            self.names_bytes += id.len() + 1;
            self.sites.push(id.to_vec());
            self.sites.len() - 1
        });
        place as u32
    }

    /// The place of a table, which is new.
    pub fn add_table(&mut self, name: &str, key_columns: usize) -> u32 {
        self.names_bytes += name.len() + 32;
        self.tables.push(TableHeader {
            name: name.to_owned(),
            key_columns: key_columns as u8,
            columns: Vec::new(),
            rows: 0,
            changes: 0,
        });
        (self.tables.len() - 1) as u32
    }

    /// The place of a column, which is new in its table.
    pub fn add_column(&mut self, table: u32, name: &str) -> u32 {
        let Some(table) = self.tables.get_mut(table as usize) else {
            return 0;
        };
        self.names_bytes += name.len() + 8;
        table.columns.push(ColumnHeader {
            name: name.to_owned(),
            kind: KIND_LAST_WRITER_WINS,
        });
        (table.columns.len() - 1) as u32
    }

    /// Writes a row of a table with the cells of these columns, in their order; none make a sentinel.
    pub fn push<'a>(
        &mut self,
        (table, columns): (u32, &[u32]),
        head: RowHead,
        key: impl Iterator<Item = ValueRef<'a>>,
        cells: impl Iterator<Item = CellWrite<'a>>,
    ) {
        let Some(key_columns) = self.tables.get(table as usize).map(|t| t.key_columns) else {
            return;
        };
        let key_columns = usize::from(key_columns);
        if self.open.is_full() {
            self.close_chunk();
        }
        self.first.get_or_insert(head.version);
        self.open
            .push((table, columns), key_columns, head, key, cells);
    }

    /// All rows so far belong to whole transactions.
    pub fn mark(&mut self) {
        self.marked_rows = self.open.rows();
        if self.marked_rows == 0 {
            self.marked = self.written();
        }
    }

    /// Whether there are rows before the mark.
    pub fn has_marked(&self) -> bool {
        self.marked_rows > 0 || self.marked.chunks > 0
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.open.rows() == 0 && self.chunks == 0
    }

    /// At most how many bytes the changeset will have.
    pub fn bytes(&self) -> usize {
        let header = PREFIX_BYTES + HEADER_BYTES + self.names_bytes;
        header + self.body.len() + self.open.bytes()
    }

    fn written(&self) -> Written {
        Written {
            length: self.body.len(),
            chunks: self.chunks,
            counts: self
                .tables
                .iter()
                .map(|table| (table.rows, table.changes))
                .collect(),
        }
    }

    /// Closes the open chunk, or two, so that the mark stands between chunks.
    fn close_chunk(&mut self) {
        let open = std::mem::take(&mut self.open);
        let marked_rows = std::mem::take(&mut self.marked_rows);
        if marked_rows > 0 {
            self.write_chunk(&open, 0..marked_rows);
            self.marked = self.written();
        }
        if marked_rows < open.rows() {
            self.write_chunk(&open, marked_rows..open.rows());
        }
    }

    fn write_chunk(&mut self, open: &ChunkBuilder, rows: Range<usize>) {
        let bytes = open.write(rows, &mut self.tables);
        self.chunks += 1;
        let compressor = self.compressor.as_mut();
        let compressed = compressor.and_then(|compressor| compressor.compress(&bytes).ok());
        match compressed.map(|frame| padded(frame, bytes.len())) {
            Some(frame) if frame.len() < bytes.len() => {
                self.body.push(ZSTD);
                put_varint(&mut self.body, frame.len() as u64);
                put_varint(&mut self.body, bytes.len() as u64);
                self.body.extend_from_slice(&frame);
            }
            _ => {
                self.body.push(STORED);
                put_varint(&mut self.body, bytes.len() as u64);
                self.body.extend_from_slice(&bytes);
            }
        }
    }

    /// Leaves out what came after the mark.
    pub fn leave_out_unmarked(&mut self) {
        let open = std::mem::take(&mut self.open);
        let marked_rows = std::mem::take(&mut self.marked_rows);
        if marked_rows > 0 {
            self.write_chunk(&open, 0..marked_rows);
            return;
        }
        self.body.truncate(self.marked.length);
        self.chunks = self.marked.chunks;
        let counts = self.marked.counts.iter().copied();
        let counts = counts.chain(std::iter::repeat((0, 0)));
        for (table, (rows, changes)) in self.tables.iter_mut().zip(counts) {
            (table.rows, table.changes) = (rows, changes);
        }
    }

    /// The bytes of the changeset. `last` is the position up to which it tells all.
    pub fn finish(mut self, last: Position, part: Part) -> Vec<u8> {
        self.close_chunk();
        let header = Header {
            features: 0,
            site: self.origin.site,
            after: self.origin.after,
            first: self.first.unwrap_or(last.version),
            last,
            part,
            filter: None,
            sites: self.sites,
            tables: self.tables,
            chunks: self.chunks,
        };
        let mut out = Vec::with_capacity(self.body.len() + self.names_bytes + HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        out.extend_from_slice(&[0; 12]);
        let written = bincode::serde::encode_into_std_write(&header, &mut out, encoding());
        debug_assert!(written.is_ok(), "a header always encodes");
        out.extend_from_slice(&self.body);
        let length = (out.len() - PREFIX_BYTES) as u64;
        let sum = checksum(length, &out[PREFIX_BYTES..]);
        out[5..13].copy_from_slice(&length.to_le_bytes());
        out[13..17].copy_from_slice(&sum.to_le_bytes());
        out
    }
}

/// Makes a frame as long as a reader wants it to be for what it expands to.
fn padded(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    let least = (length as u64).div_ceil(EXPANSION_MAX) as usize;
    if length as u64 > CHUNK_BYTES_FREE && frame.len() < least {
        let padding = least - frame.len();
        frame.extend_from_slice(&SKIPPABLE_FRAME);
        frame.extend_from_slice(&(padding as u32).to_le_bytes());
        frame.resize(frame.len() + padding, 0);
    }
    frame
}
