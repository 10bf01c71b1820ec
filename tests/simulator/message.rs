//! Reads the rows of a message of `crsql_reconcile`, as docs/design.md describes its bytes; a second reader on purpose.

use crate::model::replica::{Change, SENTINEL};
use crate::model::value::Value;

/// A row of a message: the state that its sender has.
#[derive(Debug)]
pub struct SentRow {
    pub table: String,
    pub pk: Vec<u8>,
    pub cl: i64,
    pub site: Vec<u8>,
    /// Column, version, site and value, author by author: the order in which they are merged.
    pub cells: Vec<(String, i64, Vec<u8>, Value)>,
}

impl SentRow {
    /// The changes that stand for the row: its causal length, where no cell says it, and its cells.
    pub fn changes(&self) -> Vec<Change> {
        let change = |cid: &str, val: Value, col_version: i64, site: &[u8]| Change {
            table: self.table.clone(),
            pk: self.pk.clone(),
            cid: cid.to_owned(),
            val,
            col_version,
            db_version: 0,
            site: site.to_vec(),
            cl: self.cl,
            seq: 0,
        };
        let mut changes = Vec::new();
        if self.cells.is_empty() || self.cl > 1 {
            changes.push(change(SENTINEL, Value::Null, self.cl, &self.site));
        }
        let cells = self.cells.iter();
        changes.extend(
            cells.map(|(column, version, site, value)| {
                change(column, value.clone(), *version, site)
            }),
        );
        changes
    }
}

/// The rows of a message; `None` for bytes that are not one.
pub fn rows(message: &[u8]) -> Option<Vec<SentRow>> {
    let mut reader = Reader(message);
    if reader.byte()? != 1 {
        return None;
    }
    let _round = reader.number()?;
    let mut rows = Vec::new();
    for _ in 0..reader.number()? {
        table_rows(&mut reader, &mut rows)?;
    }
    Some(rows)
}

fn table_rows(reader: &mut Reader<'_>, rows: &mut Vec<SentRow>) -> Option<()> {
    let table = reader.text()?;
    let columns = reader.list(Reader::text)?;
    let sites = reader.list(Reader::bytes)?;
    for _ in 0..reader.number()? {
        let _hops = reader.byte()?;
        let pk = reader.bytes()?;
        let cl = reader.number()? as i64;
        let site = sites.get(reader.number()? as usize)?.clone();
        let mut cells = reader.list(|reader| {
            let column = columns.get(reader.number()? as usize)?.clone();
            let version = reader.number()? as i64;
            let author = reader.number()? as usize;
            let cell = (column, version, sites.get(author)?.clone(), reader.value()?);
            Some((author, cell))
        })?;
        cells.sort_by_key(|(author, _)| *author);
        let cells = cells.into_iter().map(|(_, cell)| cell).collect();
        rows.push(SentRow {
            table: table.clone(),
            pk,
            cl,
            site,
            cells,
        });
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.number()?;
        Some(self.take(length as usize)?.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| item(self)).collect()
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Null,
            1 => {
                let number = self.number()?;
                Value::Integer((number >> 1) as i64 ^ -((number & 1) as i64))
            }
            2 => Value::Real(f64::from_be_bytes(self.take(8)?.try_into().ok()?)),
            3 => Value::Text(self.text()?),
            4 => Value::Blob(self.bytes()?),
            _ => return None,
        })
    }
}
