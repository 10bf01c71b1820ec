//! The clock records of rows that are not pristine.

use super::Store;
use crate::crdt::change::CausalLength;
use crate::crdt::clock::RowClock;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::crr::{rows_table, slot};
use crate::schema::{Crr, Key};
use crate::sql::{self, Part};
use crate::sqlite::Statement;
use std::ops::Range;

/// Reads a record whose causal length stands in this column of the current row, and the rest in the next.
pub fn read_clock(crr: &Crr, row: &Statement, column: usize) -> Result<RowClock> {
    let (cl, bytes) = record_bytes(row, column);
    decode(crr, cl, bytes)
}

/// The causal length and the bytes of such a record.
pub fn record_bytes(row: &Statement, column: usize) -> (CausalLength, &[u8]) {
    let bytes = match row.value(column + 1) {
        ValueRef::Blob(bytes) => bytes,
        _ => &[],
    };
    (CausalLength(row.integer(column) as u64), bytes)
}

/// The clock that the bytes of a record stand for.
pub fn decode(crr: &Crr, cl: CausalLength, bytes: &[u8]) -> Result<RowClock> {
    RowClock::decode(cl, bytes).ok_or_else(|| {
        Error::Corrupt(format!(
            "a clock record of table {} is damaged; restore the file, or rebuild it from a peer",
            sql::quoted(&crr.name)
        ))
    })
}

/// So many records make a statement: much of the time of an insert is that of the statement around it. Each has two
/// parameters, and what is added to that is one.
const RECORDS_PER_STATEMENT: usize = 32;

/// Records of rows that have none, all of one causal length.
#[derive(Debug, Default)]
pub struct NewRecords<'k> {
    cl: CausalLength,
    records: Vec<NewRecord<'k>>,
    /// The records one behind the other
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct NewRecord<'k> {
    key: &'k Key,
    bytes: Range<usize>,
}

impl<'k> NewRecords<'k> {
    /// Whether so many records of a table are better written together. Not where the key is the rowid: SQLite reckons
    /// that rowids may run out in the middle of the statement and opens a journal for it, which it can't where a savepoint
    /// is being set or a transaction committed. Nor may one statement replace records: `OR REPLACE` becomes ABORT
    /// for a NULL, which needs a journal, too.
    pub fn are_worth(crr: &Crr, count: usize) -> bool {
        !crr.is_rowid_keyed && count >= RECORDS_PER_STATEMENT
    }

    /// Takes a record in; false if it has another causal length than those before.
    pub fn push(&mut self, key: &'k Key, cl: CausalLength, bytes: &[u8]) -> bool {
        if self.records.is_empty() {
            self.cl = cl;
        }
        if self.cl != cl {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let bytes = start..self.bytes.len();
        self.records.push(NewRecord { key, bytes });
        true
    }

    fn bytes_of(&self, record: &NewRecord<'_>) -> &[u8] {
        self.bytes.get(record.bytes.clone()).unwrap_or_default()
    }
}

impl Store {
    fn with_clock<T>(
        &self,
        crr: &Crr,
        slot: usize,
        text: &str,
        work: impl FnOnce(&mut Statement) -> Result<T>,
    ) -> Result<T> {
        crr.statements
            .with(slot, self.connection, || crr.clock_sql(text), work)
    }

    /// The record of a row.
    pub fn clock(&self, crr: &Crr, key: &Key) -> Result<Option<RowClock>> {
        let read = self.with_clock(crr, slot::CLOCK_GET, sql::CLOCK_GET, |get| {
            get.first([key.stored()], |row| read_clock(crr, row, 0))
        })?;
        read.transpose()
    }

    /// Writes the bytes of a record over the one that may be there.
    pub fn put_record(&self, crr: &Crr, key: &Key, cl: CausalLength, bytes: &[u8]) -> Result<()> {
        let values = [
            key.stored(),
            ValueRef::Integer(cl.to_sql()),
            ValueRef::Blob(bytes),
        ];
        self.with_clock(crr, slot::CLOCK_PUT, sql::CLOCK_PUT, |put| put.run(values))?;
        Ok(())
    }

    /// Writes records of rows that have none.
    pub fn add_records(&self, crr: &Crr, records: &NewRecords<'_>) -> Result<()> {
        let mut rest = &records.records[..];
        while let Some(of_statement) = rest.get(..RECORDS_PER_STATEMENT) {
            if !self.add_at_once(crr, records, of_statement)? {
                break;
            }
            rest = &rest[RECORDS_PER_STATEMENT..];
        }
        rest.iter().try_for_each(|record| {
            self.put_record(crr, record.key, records.cl, records.bytes_of(record))
        })
    }

    /// Writes so many records by one statement; false if SQLite does not compile that, as the application may have
    /// lowered its limits.
    fn add_at_once(
        &self,
        crr: &Crr,
        records: &NewRecords<'_>,
        some: &[NewRecord<'_>],
    ) -> Result<bool> {
        let text = || {
            let row = |row: usize| format!("(?{}, ?1, ?{})", 2 * row + 2, 2 * row + 3);
            let values = sql::join(", ", (0..RECORDS_PER_STATEMENT).map(row));
            let table = rows_table(crr.id);
            let parts = [("rows", Part::Name(&table)), ("values", Part::Sql(&values))];
            sql::fill(sql::CLOCK_ADD, &parts)
        };
        let mut add = match crr.statements.take(slot::CLOCK_ADD, self.connection, text) {
            Ok(add) => add,
            Err(error) if error.is_about_statement() => return Ok(false),
            Err(error) => return Err(error),
        };
        let cells = some.iter().flat_map(|record| {
            [
                record.key.stored(),
                ValueRef::Blob(records.bytes_of(record)),
            ]
        });
        let values = std::iter::once(ValueRef::Integer(records.cl.to_sql())).chain(cells);
        let outcome = add.run(values);
        crr.statements.give_back(slot::CLOCK_ADD, add);
        outcome.map(|_| true)
    }

    /// The greatest key with a record; none if no row has one.
    pub fn last_clock_key(&self, crr: &Crr) -> Result<Option<Key>> {
        let last = self.with_clock(crr, slot::CLOCK_LAST, sql::CLOCK_LAST, |last| {
            last.first([], |row| match row.value(0) {
                ValueRef::Integer(rowid) => Some(Key::Rowid(rowid)),
                ValueRef::Blob(packed) => Some(Key::Packed(packed.to_vec())),
                _ => None,
            })
        })?;
        Ok(last.flatten())
    }
}
