//! What was read and is not in its final place yet: temporary tables, so that no database is too large.

use super::row::{Event, Recorded};
use crate::crdt::change::{CausalLength, DbVersion, Position, Seq, SiteOrdinal, TableId};
use crate::crdt::clock::RowClock;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sql::{self, Part};
use crate::sqlite::{Connection, Statement};
use crate::store::Store;
use std::cell::{Cell, RefCell};

/// What makes the tables of the spool.
const MAKE: [&str; 4] = [
    sql::UPGRADE_MAKE_ENTRIES,
    sql::UPGRADE_MAKE_MOVED,
    sql::UPGRADE_MAKE_RECORDS,
    sql::UPGRADE_MAKE_KEYS,
];

/// All temporary tables of an upgrade.
const TABLES: [&str; 6] = [
    "crsql_upgrade_entries",
    "crsql_upgrade_moved",
    "crsql_upgrade_records",
    "crsql_upgrade_keys",
    "crsql_upgrade_versions",
    "crsql_upgrade_stamps",
];

/// Where a clock record tells a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At its sentinel
    Sentinel,
    /// At the group of this index
    Group(usize),
}

impl Place {
    fn to_sql(self) -> i64 {
        match self {
            Place::Sentinel => -1,
            Place::Group(index) => index as i64,
        }
    }
}

/// A log entry to be.
#[derive(Debug, Clone)]
pub struct SpooledEntry {
    /// Where it stood, and whose it is
    pub event: Event,
    /// The seqs it takes
    pub stride: u64,
    /// Its table
    pub table: TableId,
    /// Its row
    pub key: Key,
    /// The record that tells its position, and where
    pub record: Option<(i64, Place)>,
}

/// The temporary tables.
pub struct Spool {
    connection: Connection,
    add_entry: RefCell<Statement>,
    add_moved: RefCell<Statement>,
    add_record: RefCell<Statement>,
    get_record: RefCell<Statement>,
    set_record: RefCell<Statement>,
    records: Cell<i64>,
    keys: Cell<u64>,
}

impl Spool {
    /// Makes the tables.
    pub fn new(store: &Store) -> Result<Spool> {
        let connection = store.connection;
        store.while_expiring(|| {
            let mut texts = MAKE.iter();
            texts.try_for_each(|text| connection.execute(text))
        })?;
        let prepare = |text| connection.prepare(text).map(RefCell::new);
        Ok(Spool {
            connection,
            add_entry: prepare(sql::UPGRADE_ADD_ENTRY)?,
            add_moved: prepare(sql::UPGRADE_ADD_MOVED)?,
            add_record: prepare(sql::UPGRADE_ADD_RECORD)?,
            get_record: prepare(sql::UPGRADE_RECORD)?,
            set_record: prepare(sql::UPGRADE_SET_RECORD)?,
            records: Cell::new(0),
            keys: Cell::new(0),
        })
    }

    /// How many records there are; they are numbered from 0.
    pub fn records(&self) -> i64 {
        self.records.get()
    }

    /// Takes what is recorded of a row.
    pub fn put(&self, crr: &Crr, key: &Key, recorded: &Recorded) -> Result<()> {
        match recorded {
            Recorded::Nothing => Ok(()),
            Recorded::Pristine(event) => self.put_entry(&SpooledEntry {
                event: *event,
                stride: crr.insert_stride(),
                table: crr.id,
                key: key.clone(),
                record: None,
            }),
            Recorded::Record(clock) => self.put_record(crr, key, clock),
        }
    }

    fn put_record(&self, crr: &Crr, key: &Key, clock: &RowClock) -> Result<()> {
        let id = self.records.get();
        self.records.set(id + 1);
        let bytes = clock.encode();
        self.add_record.borrow_mut().run([
            ValueRef::Integer(id),
            key.stored(),
            ValueRef::Integer(clock.cl.to_sql()),
            ValueRef::Blob(&bytes),
        ])?;
        let sentinel = clock
            .sentinel
            .iter()
            .map(|entry| (*entry, 1, Place::Sentinel));
        let groups = (0..).zip(&clock.groups).map(|(index, group)| {
            let stride = group.cells.len() as u64;
            (group.entry, stride, Place::Group(index))
        });
        for (entry, stride, part) in sentinel.chain(groups) {
            self.put_entry(&SpooledEntry {
                event: Event {
                    at: entry.at,
                    site: entry.site,
                },
                stride,
                table: crr.id,
                key: key.clone(),
                record: Some((id, part)),
            })?;
        }
        Ok(())
    }

    fn put_entry(&self, entry: &SpooledEntry) -> Result<()> {
        write_entry(&mut self.add_entry.borrow_mut(), entry)
    }

    /// Takes an entry whose place is taken.
    pub fn put_moved(&self, entry: &SpooledEntry) -> Result<()> {
        write_entry(&mut self.add_moved.borrow_mut(), entry)
    }

    /// The entries in the order of the log.
    pub fn entries(&self) -> Result<Statement> {
        self.connection.prepare(sql::UPGRADE_ENTRIES)
    }

    /// The entries whose place is taken.
    pub fn moved(&self) -> Result<Statement> {
        self.connection.prepare(sql::UPGRADE_MOVED)
    }

    /// Forgets them.
    pub fn forget_moved(&self) -> Result<()> {
        self.connection.execute(sql::UPGRADE_FORGET_MOVED)
    }

    /// Moves a position in a record.
    pub fn move_part(&self, record: i64, part: Place, at: Position) -> Result<()> {
        let lost = || Error::Internal("a clock record was lost on its way".to_owned());
        let number = ValueRef::Integer(record);
        let found = self
            .get_record
            .borrow_mut()
            .first([number], |row| match row.value(1) {
                ValueRef::Blob(bytes) => {
                    RowClock::decode(CausalLength(row.integer(0) as u64), bytes)
                }
                _ => None,
            })?;
        let mut clock = found.flatten().ok_or_else(lost)?;
        let entry = match part {
            Place::Sentinel => clock.sentinel.as_mut(),
            Place::Group(index) => clock.groups.get_mut(index).map(|group| &mut group.entry),
        };
        entry.ok_or_else(lost)?.at = at;
        let bytes = clock.encode();
        self.set_record
            .borrow_mut()
            .run([number, ValueRef::Blob(&bytes)])?;
        Ok(())
    }

    /// Writes the records from `first` up to `end` into their table.
    pub fn store_records(&self, crr: &Crr, first: i64, end: i64) -> Result<()> {
        let text = crr.clock_sql(sql::UPGRADE_STORE_RECORDS);
        self.connection
            .prepare(&text)?
            .run([ValueRef::Integer(first), ValueRef::Integer(end)])?;
        Ok(())
    }

    /// Notes a key that was brought into another form; false if it was noted before.
    pub fn note_key(&self, table: TableId, key: &Key) -> Result<bool> {
        let values = [ValueRef::Integer(table.0), key.stored()];
        let added = self.connection.prepare(sql::UPGRADE_ADD_KEY)?.run(values)?;
        self.keys.set(self.keys.get() + added as u64);
        Ok(added > 0)
    }

    /// Whether a key was noted.
    pub fn has_key(&self, table: TableId, key: &Key) -> Result<bool> {
        if self.keys.get() == 0 {
            return Ok(false);
        }
        let values = [ValueRef::Integer(table.0), key.stored()];
        let found = self
            .connection
            .prepare(sql::UPGRADE_HAS_KEY)?
            .first(values, |_| ())?;
        Ok(found.is_some())
    }
}

/// Drops the temporary tables of an upgrade. In its transaction that would make SQLite compile those statements anew
/// that could still undo it.
pub fn drop_temporary(connection: Connection) -> Result<()> {
    TABLES.iter().try_for_each(|name| {
        let parts = [("table", Part::Name(name))];
        connection.execute(&sql::fill(sql::UPGRADE_DROP_TEMPORARY, &parts))
    })
}

fn write_entry(statement: &mut Statement, entry: &SpooledEntry) -> Result<()> {
    let at = entry.event.at;
    let (record, part) = match entry.record {
        Some((record, part)) => (ValueRef::Integer(record), part.to_sql()),
        None => (ValueRef::Null, 0),
    };
    statement.run([
        ValueRef::Integer(at.version.to_sql()),
        ValueRef::Integer(at.seq.to_sql()),
        ValueRef::Integer(entry.stride as i64),
        ValueRef::Integer(entry.event.site.0 as i64),
        ValueRef::Integer(entry.table.0),
        entry.key.stored(),
        record,
        ValueRef::Integer(part),
    ])?;
    Ok(())
}

impl SpooledEntry {
    /// Reads an entry of `Spool::entries` or `Spool::moved`.
    pub fn read(row: &Statement) -> Result<SpooledEntry> {
        let number = |column| row.integer(column) as u64;
        let key = match row.value(5).to_owned() {
            Value::Integer(rowid) => Key::Rowid(rowid),
            Value::Blob(packed) => Key::Packed(packed),
            _ => {
                return Err(Error::Internal(
                    "a log entry was lost on its way".to_owned(),
                ));
            }
        };
        let record = match row.value(6) {
            ValueRef::Integer(record) => {
                let part = usize::try_from(row.integer(7)).map_or(Place::Sentinel, Place::Group);
                Some((record, part))
            }
            _ => None,
        };
        Ok(SpooledEntry {
            event: Event {
                at: Position {
                    version: DbVersion(number(0)),
                    seq: Seq(number(1)),
                },
                site: SiteOrdinal(number(3)),
            },
            stride: number(2),
            table: TableId(row.integer(4)),
            key,
            record,
        })
    }
}
