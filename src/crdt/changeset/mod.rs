//! The compact binary form of changes: a changeset.
//!
//! Rows are grouped by table and by the columns that were written, column by column inside a group, in chunks
//! that are compressed one by one. A reader trusts nothing: it never allocates by a size that is only declared,
//! and every defect has a name. docs/design.md describes the bytes.
//! ```text
//! rows --ChunkBuilder--> chunks --Writer--> changeset --Reader--> chunks --ChunkReader--> rows
//! ```

mod builder;
mod chunk;
mod numbers;
mod reader;
mod values;
mod writer;

pub use builder::{CellWrite, RowHead};
pub use chunk::{CellRead, ChunkReader, RowView};
pub use reader::{ChunkStart, Reader};
pub use writer::{Origin, Writer};

use super::change::{DbVersion, Position, Seq};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a changeset begins with.
pub const MAGIC: [u8; 4] = *b"CRSQ";

/// The version of the format.
pub const FORMAT: u8 = 1;

/// Magic, format, length and checksum.
const PREFIX_BYTES: usize = 17;

/// A chunk is closed when it has about so many bytes: enough to compress well, little enough to be held in
/// memory at both ends.
const CHUNK_BYTES: usize = 1 << 20;

/// A chunk of at most so many bytes may be compressed to any size.
const CHUNK_BYTES_FREE: u64 = 1 << 22;

/// A larger chunk, which one large value makes, is at most so many times larger than what it was compressed to:
/// few bytes can't make a receiver allocate many.
const EXPANSION_MAX: u64 = 1 << 10;

/// A chunk is closed when it has so many rows: rows of constants take no bytes.
const CHUNK_ROWS_MAX: u64 = 1 << 16;

/// Values take at least a byte each before a chunk is closed, so it has fewer than this, the last row included.
const CHUNK_VALUES_MAX: u64 = 1 << 20;

/// A chunk is closed when its groups have so many columns together: each takes some memory of a reader.
const CHUNK_COLUMNS_MAX: usize = 1 << 15;

/// The header is refused above this: 32,767 columns with names of 64 bytes in each of seven tables.
const HEADER_BYTES_MAX: usize = 1 << 24;

/// A kind of column: the last writer wins. There is no other yet.
pub const KIND_LAST_WRITER_WINS: u8 = 0;

/// Which part of a transaction that is too large for one changeset this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// None: all transactions are whole
    Whole,
    /// One that is followed by another
    More,
    /// The last one
    Last,
}

/// What a changeset says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Capabilities that a reader must have: bit by bit, none yet
    pub features: u32,
    /// The database it was made by
    pub site: Vec<u8>,
    /// What it follows: a version, and perhaps a seq inside that version
    pub after: (DbVersion, Option<Seq>),
    /// The version of its first change, or of `last` if it has none
    pub first: DbVersion,
    /// Where the next changeset goes on: all changes up to here are known to who has this one and those before
    pub last: Position,
    /// Whether its last transaction goes on in another
    pub part: Part,
    /// Which rows it is about; none is all
    pub filter: Option<Vec<u8>>,
    /// The authors
    pub sites: Vec<Vec<u8>>,
    /// The tables
    pub tables: Vec<TableHeader>,
    /// How many chunks follow
    pub chunks: u64,
}

/// A table of a changeset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableHeader {
    /// Its name
    pub name: String,
    /// How many columns its key has
    pub key_columns: u8,
    /// The columns that changes are about
    pub columns: Vec<ColumnHeader>,
    /// How many rows follow
    pub rows: u64,
    /// How many changes these hold
    pub changes: u64,
}

/// A column of a changeset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnHeader {
    /// Its name
    pub name: String,
    /// How concurrent writes to it are merged
    pub kind: u8,
}

/// The rows of a chunk that have the same table and columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GroupHeader {
    /// The place of the table in the header
    table: u32,
    /// The places of the columns in the table's header; none for sentinels
    columns: Vec<u32>,
    /// How many rows there are
    rows: u64,
}

/// What a chunk begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ChunkHeader {
    groups: Vec<GroupHeader>,
    /// The order of the rows: so many of that group come next
    order: Vec<(u32, u64)>,
}

fn encoding() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<HEADER_BYTES_MAX>()
}

/// Why bytes are not a changeset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Another beginning
    Magic,
    /// A format that this release does not know
    Format(u8),
    /// The bytes end too early, or go on
    Length {
        /// How many were announced
        expected: u64,
        /// How many there are
        found: u64,
    },
    /// The bytes are not the ones that were written
    Checksum,
    /// The header can't be read
    Header,
    /// The header asks for what this release can't do
    Features,
    /// A kind of column that this release does not know
    Kind(u8),
    /// A number of the header is out of its range
    HeaderValue(&'static str),
    /// A stream ends too early
    Short,
    /// A stream goes on after its last value
    Long,
    /// A number wider than 64 bits
    WideNumber,
    /// A form of a stream that there is not
    Form(u8),
    /// A storage class that there is not
    Class(u8),
    /// A real that is not a number
    NotANumber,
    /// A chunk can't be decompressed
    Compression,
    /// A chunk announces more bytes than it may
    Expansion(u64),
    /// A chunk with more rows, columns or values than it may have
    TooMany,
    /// A table, column or author that the header does not list
    Unlisted(&'static str),
    /// A column twice in a group
    Repeated,
    /// The order of the rows does not fit the groups
    Order,
    /// A counter out of its range
    Counter(&'static str),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Magic => f.write_str("it does not begin like one"),
            Defect::Format(format) => write!(
                f,
                "it has format {format}, and this release reads format {FORMAT}"
            ),
            Defect::Length { expected, found } if found < expected => {
                write!(f, "it is truncated: {found} bytes of {expected} are there")
            }
            Defect::Length { expected, found } => {
                write!(f, "it has {found} bytes where it announces {expected}")
            }
            Defect::Checksum => f.write_str("its checksum does not fit, so it was altered"),
            Defect::Header => f.write_str("its header can't be read"),
            Defect::Features => f.write_str("it needs a newer release"),
            Defect::Kind(kind) => write!(f, "it has a column of the unknown kind {kind}"),
            Defect::HeaderValue(what) => write!(f, "{what} in its header is out of range"),
            Defect::Short => f.write_str("a stream in it ends too early"),
            Defect::Long => f.write_str("a stream in it goes on after its last value"),
            Defect::WideNumber => f.write_str("it has a number wider than 64 bits"),
            Defect::Form(form) => write!(f, "it has a stream of the unknown form {form}"),
            Defect::Class(class) => write!(f, "it has a value of the unknown class {class}"),
            Defect::NotANumber => f.write_str("it has a real that is not a number"),
            Defect::Compression => f.write_str("a chunk of it can't be decompressed"),
            Defect::Expansion(bytes) => write!(
                f,
                "a chunk of it announces {bytes} bytes, more than its size allows"
            ),
            Defect::TooMany => f.write_str("a chunk of it has too many rows, columns or values"),
            Defect::Unlisted(what) => write!(f, "a row names a {what} that the header lacks"),
            Defect::Repeated => f.write_str("a row has the same column twice"),
            Defect::Order => f.write_str("the order of its rows does not fit their groups"),
            Defect::Counter(what) => write!(f, "{what} of a row is out of range"),
        }
    }
}
