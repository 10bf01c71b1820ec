//! The clock records of rows that are not pristine.

use super::Store;
use crate::crdt::change::CausalLength;
use crate::crdt::clock::RowClock;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::crr::slot;
use crate::schema::{Crr, Key};
use crate::sql;
use crate::sqlite::Statement;

/// Reads a record whose causal length stands in this column of the current row, and the rest in the next.
pub fn read_clock(crr: &Crr, row: &Statement, column: usize) -> Result<RowClock> {
    let decoded = match row.value(column + 1) {
        ValueRef::Blob(bytes) => RowClock::decode(CausalLength(row.integer(column) as u64), bytes),
        _ => None,
    };
    decoded.ok_or_else(|| {
        Error::Corrupt(format!(
            "a clock record of table {} is damaged; restore the file, or rebuild it from a peer",
            sql::quoted(&crr.name)
        ))
    })
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

    /// Writes a record over the one that may be there.
    pub fn put_clock(&self, crr: &Crr, key: &Key, clock: &RowClock) -> Result<()> {
        self.put_record(crr, key, clock.cl, &clock.encode())
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
