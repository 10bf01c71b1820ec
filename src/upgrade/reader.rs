//! Reading the clocks of one table, row after row, into the spool.

use super::report::TableReport;
use super::row::{Event, OldRow, Recorded};
use super::spool::Spool;
use super::tables::OldTable;
use crate::crdt::change::{
    CausalLength, ColumnId, ColumnVersion, DbVersion, Position, SENTINEL, Seq, SiteOrdinal,
};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sql::quoted;
use crate::sqlite::Statement;
use crate::store::Store;
use hashbrown::{HashMap, HashSet};

/// What stood for a deletion up to 0.14.
const OLD_DELETION: &str = "__crsql_del";
/// What stood for a row of a table of key columns only up to 0.14.
const OLD_KEY_ONLY: &str = "__crsql_pko";

/// The columns of the scan before those of the key.
mod column {
    pub(super) const NUMBER: usize = 0;
    pub(super) const EXISTS: usize = 1;
    pub(super) const NAME: usize = 2;
    pub(super) const VERSION: usize = 3;
    pub(super) const DB_VERSION: usize = 4;
    pub(super) const SITE: usize = 5;
    pub(super) const SEQ: usize = 6;
    pub(super) const KEY: usize = 7;
}

/// What a clock is about.
#[derive(Debug, Clone, Copy)]
enum About {
    Cell(ColumnId),
    Sentinel,
    OldDeletion,
    OldKeyOnly,
    Lost,
}

/// The row that the scan is in.
struct Open {
    number: Option<i64>,
    key: Option<Key>,
    is_converted: bool,
    clocks: u64,
    row: OldRow,
}

/// Reads a table.
pub struct Reader<'a> {
    store: &'a Store,
    crr: &'a Crr,
    old: &'a OldTable,
    spool: &'a Spool,
    names: HashMap<Vec<u8>, About>,
    /// The sites that were met
    pub sites: HashSet<SiteOrdinal>,
    /// Rows that are in the table and have clocks
    pub known_rows: u64,
    /// What became of the table
    pub report: TableReport,
}

impl<'a> Reader<'a> {
    /// A reader of a registered table.
    pub fn new(store: &'a Store, crr: &'a Crr, old: &'a OldTable, spool: &'a Spool) -> Reader<'a> {
        let mut names: HashMap<Vec<u8>, About> = crr
            .columns
            .iter()
            .map(|column| (column.name.clone().into_bytes(), About::Cell(column.id)))
            .collect();
        for (name, about) in [
            (SENTINEL, About::Sentinel),
            (OLD_DELETION, About::OldDeletion),
            (OLD_KEY_ONLY, About::OldKeyOnly),
        ] {
            names.insert(name.as_bytes().to_vec(), about);
        }
        Reader {
            store,
            crr,
            old,
            spool,
            names,
            sites: HashSet::new(),
            known_rows: 0,
            report: TableReport {
                table: crr.name.clone(),
                ..TableReport::default()
            },
        }
    }

    /// Reads all clocks.
    pub fn read(&mut self) -> Result<()> {
        let connection = self.store.connection;
        let mut scan = connection.prepare(&self.old.scan_sql(self.crr))?;
        let mut open: Option<Open> = None;
        let (mut keys, mut clocks) = (0, 0);
        while scan.step()? {
            let next = self.open(&scan, open.as_ref())?;
            if let Some(next) = next {
                keys += 1;
                if let Some(done) = open.replace(next) {
                    self.close(done)?;
                }
            }
            if let Some(open) = &mut open {
                clocks += 1;
                self.add(&scan, open)?;
            }
        }
        if let Some(done) = open {
            self.close(done)?;
        }
        let all = super::tables::count(connection, &self.old.clock)?;
        self.report.dropped_clocks += all.saturating_sub(clocks);
        if let Some(numbered) = self.old.numbered_keys() {
            let all = super::tables::count(connection, numbered)?;
            self.report.dropped_keys += all.saturating_sub(keys);
        }
        Ok(())
    }

    /// Starts another row where the scan reached one.
    fn open(&self, scan: &Statement, open: Option<&Open>) -> Result<Option<Open>> {
        let number = match scan.value(column::NUMBER) {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        };
        if number.is_some() && open.is_some_and(|open| open.number == number) {
            return Ok(None);
        }
        let (key, is_converted) = self.key(scan)?;
        if number.is_none() && open.is_some_and(|open| open.key == key) {
            return Ok(None);
        }
        Ok(Some(Open {
            number,
            key,
            is_converted,
            clocks: 0,
            row: OldRow {
                exists: scan.integer(column::EXISTS) != 0,
                ..OldRow::default()
            },
        }))
    }

    /// The key as it is stored here, and whether that took a conversion; none if it has a NULL.
    fn key(&self, row: &Statement) -> Result<(Option<Key>, bool)> {
        let mut values = Vec::with_capacity(self.crr.key_columns.len());
        let mut is_converted = false;
        for (index, key_column) in (column::KEY..).zip(&self.crr.key_columns) {
            let value = row.value(index);
            let was_text = matches!(value, ValueRef::Text(_));
            let value = self
                .store
                .with_affinity(value.to_owned(), key_column.affinity)?;
            if value == Value::Null {
                return Ok((None, false));
            }
            is_converted |= was_text != matches!(value, Value::Text(_));
            values.push(value);
        }
        let key = self.crr.key_of_values(values.iter().map(Value::as_ref))?;
        Ok((Some(key), is_converted))
    }

    fn add(&mut self, scan: &Statement, open: &mut Open) -> Result<()> {
        open.clocks += 1;
        let event = Event {
            at: Position {
                version: self.counter(scan, column::DB_VERSION, DbVersion::from_sql)?,
                seq: self.counter(scan, column::SEQ, Seq::from_sql)?,
            },
            site: self.counter(scan, column::SITE, |site| {
                u64::try_from(site).ok().map(SiteOrdinal)
            })?,
        };
        self.sites.insert(event.site);
        let ValueRef::Text(name) = scan.value(column::NAME) else {
            return Err(self.damaged("a clock without the name of a column"));
        };
        let about = self.names.get(name).copied().unwrap_or(About::Lost);
        let row = &mut open.row;
        match about {
            About::Cell(id) => {
                let version = self.counter(scan, column::VERSION, ColumnVersion::from_sql)?;
                row.cells.push((id, version, event));
            }
            About::Sentinel => {
                let cl = self.counter(scan, column::VERSION, CausalLength::from_sql)?;
                if cl == CausalLength::UNKNOWN {
                    return Err(self.damaged("a row that was created 0 times"));
                }
                row.sentinel = Some((cl, event));
            }
            About::OldDeletion => {
                let dead = CausalLength::FIRST_LIFE.next_delete();
                let cl = match row.exists {
                    true => dead.next_create(),
                    false => dead,
                };
                row.sentinel = Some((cl, event));
            }
            About::OldKeyOnly => {
                row.sentinel
                    .get_or_insert((CausalLength::FIRST_LIFE, event));
            }
            About::Lost => {
                self.report.dropped_clocks += 1;
                row.lost.get_or_insert(event);
            }
        }
        Ok(())
    }

    fn counter<T>(
        &self,
        scan: &Statement,
        column: usize,
        read: impl Fn(i64) -> Option<T>,
    ) -> Result<T> {
        let number = match scan.value(column) {
            ValueRef::Integer(number) => read(number),
            ValueRef::Null => read(0),
            _ => None,
        };
        number.ok_or_else(|| self.damaged("a counter that is negative, above 2^53, or no number"))
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Foreign(format!(
            "table {} holds {what}; this can't be taken over",
            quoted(&self.old.clock)
        ))
    }

    /// Ends a row: it goes to the spool.
    fn close(&mut self, open: Open) -> Result<()> {
        let Open {
            key,
            is_converted,
            clocks,
            row,
            ..
        } = open;
        let Some(key) = key else {
            self.report.dropped_clocks += clocks;
            return Ok(());
        };
        if is_converted && self.has_other_identity(&key)? {
            self.report.dropped_identities += 1;
            self.report.dropped_clocks += clocks;
            return Ok(());
        }
        let (exists, cl, cells) = (row.exists, row.causal_length(), row.cells.len() as u64);
        let recorded = row.recorded(self.crr.column_ids());
        self.spool.put(self.crr, &key, &recorded)?;
        self.known_rows += u64::from(exists);
        let report = &mut self.report;
        match &recorded {
            Recorded::Nothing => {
                report.dropped_rows += 1;
                report.dropped_clocks += clocks;
            }
            _ if !cl.is_live() => {
                report.tombstones += 1;
                report.dropped_clocks += cells;
                report.deleted_but_there += u64::from(exists);
            }
            Recorded::Pristine(_) => {
                report.rows += 1;
                report.pristine_rows += 1;
                report.cells += cells;
            }
            Recorded::Record(_) => {
                report.rows += 1;
                report.cells += cells;
            }
        }
        Ok(())
    }

    /// Whether this row has clocks under another form of its key, and those count.
    fn has_other_identity(&self, key: &Key) -> Result<bool> {
        let values = self.crr.key_values(key)?;
        let sibling = self
            .store
            .connection
            .prepare(&self.old.sibling_sql(self.crr))?
            .first(values.iter().map(Value::as_ref), |_| ())?;
        Ok(sibling.is_some() || !self.spool.note_key(self.crr.id, key)?)
    }

    /// The rows that no clock speaks of, in the order of their keys.
    pub fn unrecorded(&self, mut take: impl FnMut(&Key) -> Result<()>) -> Result<u64> {
        let connection = self.store.connection;
        if super::tables::count(connection, &self.crr.name)? == self.known_rows {
            return Ok(0);
        }
        let mut rows = connection.prepare(&self.old.unrecorded_sql(self.crr))?;
        let mut found = 0;
        while rows.step()? {
            let values = (0..self.crr.key_columns.len()).map(|column| rows.value(column));
            let key = self.crr.key_of_values(values)?;
            if !self.spool.has_key(self.crr.id, &key)? {
                take(&key)?;
                found += 1;
            }
        }
        Ok(found)
    }
}
