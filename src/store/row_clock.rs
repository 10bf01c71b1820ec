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

/// What a statement on several records does where one is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Several {
    /// It fails, without a journal
    Add,
    /// It writes over that one. `OR REPLACE` becomes ABORT for a NULL, which needs a journal.
    Put,
}

impl Several {
    fn slot(self) -> usize {
        match self {
            Several::Add => slot::CLOCK_ADD,
            Several::Put => slot::CLOCK_PUT_SEVERAL,
        }
    }

    fn on_conflict(self) -> &'static str {
        match self {
            Several::Add => "FAIL",
            Several::Put => "REPLACE",
        }
    }
}

/// The bytes of a record that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Record<'b> {
    /// The causal length
    pub cl: CausalLength,
    /// The rest
    pub bytes: &'b [u8],
    /// Whether one of the same key may be stored
    pub may_be_stored: bool,
}

/// Writes records of one table, several by one statement where that is worth it.
#[derive(Debug)]
pub struct Records<'k> {
    several: Option<Several>,
    /// What those have in common that wait for others
    cl: CausalLength,
    waiting: Vec<WaitingRecord<'k>>,
    /// These one behind the other
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct WaitingRecord<'k> {
    key: &'k Key,
    bytes: Range<usize>,
}

impl<'k> Records<'k> {
    /// For `count` records at most. A statement on several of them may need a journal: not for new ones whose key is
    /// not the rowid, of which SQLite reckons that they may run out.
    pub fn new(crr: &Crr, count: usize, may_open_journal: bool) -> Records<'k> {
        let several = match count >= RECORDS_PER_STATEMENT {
            true if may_open_journal => Some(Several::Put),
            true if !crr.is_rowid_keyed => Some(Several::Add),
            _ => None,
        };
        Records {
            several,
            cl: CausalLength::default(),
            waiting: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Lets a record wait for others; false if it does not go with them.
    fn push(&mut self, key: &'k Key, record: Record<'_>) -> bool {
        if self.waiting.is_empty() {
            self.cl = record.cl;
        }
        let fits = match self.several {
            Some(Several::Put) => true,
            Some(Several::Add) => !record.may_be_stored,
            None => false,
        };
        if !fits || self.cl != record.cl {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record.bytes);
        let bytes = start..self.bytes.len();
        self.waiting.push(WaitingRecord { key, bytes });
        true
    }

    fn bytes_of(&self, record: &WaitingRecord<'_>) -> &[u8] {
        self.bytes.get(record.bytes.clone()).unwrap_or_default()
    }
}

/// The parameters of a statement on one record.
fn record_values<'a>(key: &'a Key, cl: CausalLength, bytes: &'a [u8]) -> [ValueRef<'a>; 3] {
    [
        key.stored(),
        ValueRef::Integer(cl.to_sql()),
        ValueRef::Blob(bytes),
    ]
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

    /// Writes a record, or lets it wait in `records`.
    pub fn put_record<'k>(
        &self,
        crr: &Crr,
        records: &mut Records<'k>,
        key: &'k Key,
        record: Record<'_>,
    ) -> Result<()> {
        match records.push(key, record) {
            true => Ok(()),
            false => self.put_one(crr, key, record.cl, record.bytes),
        }
    }

    fn put_one(&self, crr: &Crr, key: &Key, cl: CausalLength, bytes: &[u8]) -> Result<()> {
        let values = record_values(key, cl, bytes);
        self.with_clock(crr, slot::CLOCK_PUT, sql::CLOCK_PUT, |put| put.run(values))?;
        Ok(())
    }

    /// Writes a record unless one is stored, and says whether it did.
    pub fn add_record(&self, crr: &Crr, key: &Key, cl: CausalLength, bytes: &[u8]) -> Result<bool> {
        let values = record_values(key, cl, bytes);
        let text = sql::CLOCK_ADD_ONE;
        let added = self.with_clock(crr, slot::CLOCK_ADD_ONE, text, |add| add.run(values))?;
        Ok(added > 0)
    }

    /// Writes the records that wait.
    pub fn put_waiting(&self, crr: &Crr, records: &Records<'_>) -> Result<()> {
        let mut rest = &records.waiting[..];
        while let Some(of_statement) = rest.get(..RECORDS_PER_STATEMENT) {
            if !self.put_at_once(crr, records, of_statement)? {
                break;
            }
            rest = &rest[RECORDS_PER_STATEMENT..];
        }
        rest.iter().try_for_each(|record| {
            self.put_one(crr, record.key, records.cl, records.bytes_of(record))
        })
    }

    /// Writes so many records by one statement; false if SQLite does not compile that, as the application may have
    /// lowered its limits.
    fn put_at_once(
        &self,
        crr: &Crr,
        records: &Records<'_>,
        some: &[WaitingRecord<'_>],
    ) -> Result<bool> {
        let Some(several) = records.several else {
            return Ok(false);
        };
        let text = || {
            let row = |row: usize| format!("(?{}, ?1, ?{})", 2 * row + 2, 2 * row + 3);
            let values = sql::join(", ", (0..RECORDS_PER_STATEMENT).map(row));
            let table = rows_table(crr.id);
            let parts = [
                ("on_conflict", Part::Sql(several.on_conflict())),
                ("rows", Part::Name(&table)),
                ("values", Part::Sql(&values)),
            ];
            sql::fill(sql::CLOCK_PUT_SEVERAL, &parts)
        };
        let mut put = match crr.statements.take(several.slot(), self.connection, text) {
            Ok(put) => put,
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
        let outcome = put.run(values);
        crr.statements.give_back(several.slot(), put);
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
