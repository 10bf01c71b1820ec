//! The messages by which two replicas find out where they differ: types and bytes.
//!
//! A message comes from outside: nothing in it is believed before it was checked, and no memory is set aside for
//! a length that it only claims. docs/design.md describes the bytes.

mod reader;

use super::change::{CausalLength, ColumnVersion};
use super::digest::{Digest, Part, checksum};
use super::value::{Value, ValueRef};
use reader::Reader;
use std::fmt;

/// The first byte of every message.
const FORMAT: u8 = 1;

/// So much of a key is left out at most where it is that of the key before: an attacker gains little memory by it.
const SHARED_MAX: usize = 64;

/// A row is sent to and fro so often at most.
pub const HOPS_MAX: u8 = 3;

/// A conversation of more messages is not one of ours.
pub const ROUND_MAX: u64 = 1 << 20;

/// The part of a digest that messages carry for nodes and rows.
pub type ShortDigest = [u8; 16];

/// The beginning of a digest.
pub fn short(digest: &Digest) -> ShortDigest {
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// One message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// Counts the messages of a conversation
    pub round: u64,
    /// Rows to be merged
    pub rows: Vec<TableRows>,
    /// What is to be compared
    pub items: Vec<Item>,
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableRows {
    /// The table's name
    pub table: String,
    /// The names that cells refer to
    pub columns: Vec<String>,
    /// The site ids that rows and cells refer to
    pub sites: Vec<Vec<u8>>,
    /// The rows
    pub rows: Vec<SentRow>,
}

/// The state of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct SentRow {
    /// How often it may still be sent back if the receiver then holds something else
    pub hops: u8,
    /// Its packed key
    pub pk: Vec<u8>,
    /// Its causal length
    pub cl: CausalLength,
    /// Who created or deleted it: an index in `TableRows::sites`
    pub site: usize,
    /// Its cells; none of a deleted row
    pub cells: Vec<SentCell>,
}

/// One cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct SentCell {
    /// An index in `TableRows::columns`
    pub column: usize,
    /// Its version
    pub version: ColumnVersion,
    /// Who wrote it: an index in `TableRows::sites`
    pub site: usize,
    /// Its value
    pub value: Value,
}

/// A place in the order in which everything is compared: tables by folded name, live rows before deleted
/// ones, then keys as they sort. It stands for what comes after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folded name of the table
    pub table: String,
    /// Which rows
    pub part: Part,
    /// The key
    pub key: Vec<u8>,
}

/// Keys after the first and not after the second, of one part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The folded name of the table
    pub table: String,
    /// Which rows
    pub part: Part,
    /// The key before the range
    pub low: Vec<u8>,
    /// The last key of the range
    pub high: Vec<u8>,
}

/// What the sender has of a part of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSummary {
    /// The number of rows
    pub rows: u64,
    /// The digest of its root
    pub digest: ShortDigest,
}

/// What the sender has of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// Its folded name
    pub table: String,
    /// A check of the names of its columns and of the number of its key columns
    pub columns: [u8; 8],
    /// Its live rows and its deleted ones
    pub parts: [PartSummary; 2],
}

/// What the sender has after the node before and up to `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentNode {
    /// The key of its last row, or `order::LAST`
    pub last: Vec<u8>,
    /// 0 for a row
    pub level: u8,
    /// Its digest
    pub digest: ShortDigest,
}

/// Why a table can't be compared, as the one who says it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// It is not there on the sender's side
    OnlyThere,
    /// It is not there on the receiver's side
    OnlyHere,
    /// Its columns differ
    Columns,
}

/// A table that can't be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// Its folded name
    pub table: String,
    /// Why
    pub mismatch: Mismatch,
}

/// What is to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The digest of the sender's database
    Start(Digest),
    /// All tables of the sender from a name on, in the order of their folded names
    Tables(String, Vec<TableSummary>),
    /// All that the sender has in a range
    Nodes(KeyRange, Vec<SentNode>),
    /// The sender has nothing in the range and wants what the receiver has
    Want(KeyRange),
    /// What comes after this place is not compared yet
    Rest(Place),
    /// Tables that are left alone
    Unmatched(Vec<Unmatched>),
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageDefect {
    /// Another format, or none
    Format,
    /// The checksum is another one
    Checksum,
    /// It ends too early
    Truncated,
    /// A number is larger than it may be
    Number,
    /// A name is not UTF-8
    Name,
    /// An index points past its list
    Index,
    /// A kind that the format does not have
    Kind,
    /// Keys do not ascend within their range
    Order,
}

impl fmt::Display for MessageDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessageDefect::Format => "it has a format that this release does not know",
            MessageDefect::Checksum => "its checksum is wrong: it was altered or cut on the way",
            MessageDefect::Truncated => "it ends too early",
            MessageDefect::Number => "it has a number that is too large",
            MessageDefect::Name => "it has a name that is not UTF-8",
            MessageDefect::Index => "it refers to an entry that its list does not have",
            MessageDefect::Kind => "it has a part of an unknown kind",
            MessageDefect::Order => "it has keys out of order",
        })
    }
}

mod kind {
    pub(super) const START: u8 = 1;
    pub(super) const TABLES: u8 = 2;
    pub(super) const NODES: u8 = 3;
    pub(super) const WANT: u8 = 4;
    pub(super) const REST: u8 = 5;
    pub(super) const UNMATCHED: u8 = 6;
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.push(0),
        ValueRef::Integer(integer) => {
            out.push(1);
            // Small numbers of either sign become small.
            put_number(out, (integer << 1 ^ integer >> 63) as u64);
        }
        ValueRef::Real(real) => {
            out.push(2);
            out.extend_from_slice(&real.to_be_bytes());
        }
        ValueRef::Text(text) => {
            out.push(3);
            put_bytes(out, text);
        }
        ValueRef::Blob(blob) => {
            out.push(4);
            put_bytes(out, blob);
        }
    }
}

fn put_range(out: &mut Vec<u8>, range: &KeyRange) {
    put_bytes(out, range.table.as_bytes());
    out.push(range.part.number());
    put_bytes(out, &range.low);
    put_bytes(out, &range.high);
}

fn put_rows(out: &mut Vec<u8>, rows: &TableRows) {
    put_bytes(out, rows.table.as_bytes());
    put_number(out, rows.columns.len() as u64);
    rows.columns
        .iter()
        .for_each(|name| put_bytes(out, name.as_bytes()));
    put_number(out, rows.sites.len() as u64);
    rows.sites.iter().for_each(|site| put_bytes(out, site));
    put_number(out, rows.rows.len() as u64);
    for row in &rows.rows {
        out.push(row.hops);
        put_bytes(out, &row.pk);
        put_number(out, row.cl.0);
        put_number(out, row.site as u64);
        put_number(out, row.cells.len() as u64);
        for cell in &row.cells {
            put_number(out, cell.column as u64);
            put_number(out, cell.version.0);
            put_number(out, cell.site as u64);
            put_value(out, cell.value.as_ref());
        }
    }
}

fn put_item(out: &mut Vec<u8>, item: &Item) {
    match item {
        Item::Start(digest) => {
            out.push(kind::START);
            out.extend_from_slice(digest);
        }
        Item::Tables(from, tables) => {
            out.push(kind::TABLES);
            put_bytes(out, from.as_bytes());
            put_number(out, tables.len() as u64);
            for table in tables {
                put_bytes(out, table.table.as_bytes());
                out.extend_from_slice(&table.columns);
                for part in &table.parts {
                    put_number(out, part.rows);
                    out.extend_from_slice(&part.digest);
                }
            }
        }
        Item::Nodes(range, nodes) => {
            out.push(kind::NODES);
            put_range(out, range);
            put_number(out, nodes.len() as u64);
            let mut before: &[u8] = &range.low;
            for node in nodes {
                let both = before.iter().zip(&node.last).take(SHARED_MAX);
                let shared = both.take_while(|(a, b)| a == b).count();
                put_number(out, shared as u64);
                put_bytes(out, &node.last[shared..]);
                out.push(node.level);
                out.extend_from_slice(&node.digest);
                before = &node.last;
            }
        }
        Item::Want(range) => {
            out.push(kind::WANT);
            put_range(out, range);
        }
        Item::Rest(place) => {
            out.push(kind::REST);
            put_bytes(out, place.table.as_bytes());
            out.push(place.part.number());
            put_bytes(out, &place.key);
        }
        Item::Unmatched(tables) => {
            out.push(kind::UNMATCHED);
            put_number(out, tables.len() as u64);
            for table in tables {
                put_bytes(out, table.table.as_bytes());
                out.push(table.mismatch as u8);
            }
        }
    }
}

impl Message {
    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_number(&mut out, self.round);
        put_number(&mut out, self.rows.len() as u64);
        self.rows.iter().for_each(|rows| put_rows(&mut out, rows));
        self.items.iter().for_each(|item| put_item(&mut out, item));
        let check = checksum(&out);
        out.extend_from_slice(&check);
        out
    }

    /// Reads a message.
    pub fn decode(bytes: &[u8]) -> Result<Message, MessageDefect> {
        match bytes.first() {
            Some(&FORMAT) => {}
            Some(_) => return Err(MessageDefect::Format),
            None => return Err(MessageDefect::Truncated),
        }
        let Some((body, check)) = bytes.split_last_chunk::<8>() else {
            return Err(MessageDefect::Truncated);
        };
        if checksum(body) != *check {
            return Err(MessageDefect::Checksum);
        }
        let mut reader = Reader(&body[1..]);
        let round = reader.number()?;
        if round > ROUND_MAX {
            return Err(MessageDefect::Number);
        }
        let rows = reader.list(Reader::rows)?;
        let mut items = Vec::new();
        while !reader.0.is_empty() {
            items.push(reader.item()?);
        }
        Ok(Message { round, rows, items })
    }
}

#[cfg(test)]
mod tests;
