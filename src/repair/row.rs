//! One row: what the table, its clock record and the log say about it, and where they disagree.

use super::keys::{Fact, FactKind};
use super::problem::Problem;
use crate::crdt::change::{
    COUNTER_MAX, CausalLength, DbVersion, Position, Seq, SiteOrdinal, TableId,
};
use crate::crdt::clock::{Base, Entry, Group, RowClock};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Column, Crr, Key};
use crate::sql;
use crate::sqlite::Statement;
use crate::state::State;

/// A log entry of the row.
#[derive(Debug, Clone, Copy)]
pub struct LogEntry {
    /// Where it stands
    pub at: Position,
    /// Whose it is
    pub site: SiteOrdinal,
    /// The seqs it reserves
    pub stride: u64,
}

/// The clock record of the row.
#[derive(Debug, Clone, Default)]
pub enum Record {
    /// There is none
    #[default]
    Missing,
    /// It can't be read, or contradicts itself; this stands in its column `cl`
    Damaged(i64),
    /// It is this one
    Found(RowClock),
}

/// All that is known of one row.
#[derive(Debug, Clone)]
pub struct RowFacts {
    /// Its table
    pub table: TableId,
    /// Its key; none for what stands under a key that can't be one
    pub key: Option<Key>,
    /// Whether it is in the table
    pub is_there: bool,
    /// Its record
    pub record: Record,
    /// Its log entries, in no order
    pub entries: Vec<LogEntry>,
}

/// How table, record and log disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The row is there, and nothing is known of it
    NotRecorded,
    /// The row is known to live, and is not there
    Gone,
    /// The row is there, and is known to be deleted
    Undead,
    /// The record can't be read
    Damaged,
    /// Something that the record says has no log entry: peers don't hear of it
    Unannounced,
    /// A first insert stands in the log more than once
    ListedTwice,
}

impl Defect {
    /// The kind and the detail of the problem.
    pub fn texts(self) -> (&'static str, &'static str) {
        match self {
            Defect::NotRecorded => (
                "row not recorded",
                "it was written without capture, and peers don't hear of it; call crsql_adopt",
            ),
            Defect::Gone => (
                "row missing",
                "it was deleted without capture, and peers keep it; call crsql_adopt",
            ),
            Defect::Undead => (
                "row of a deleted key",
                "it was written again without capture, and peers don't have it; call crsql_adopt",
            ),
            Defect::Damaged => (
                "record damaged",
                "its clock record can't be read, so that it can't be written or merged; restore the file, \
                 or call crsql_adopt to begin anew with what the table holds",
            ),
            Defect::Unannounced => (
                "log entry missing",
                "the log doesn't hold all that its clock record says, so that peers miss it; call crsql_adopt",
            ),
            Defect::ListedTwice => (
                "listed twice",
                "it was deleted without capture and inserted again, and its cells are sent twice; that does no \
                 harm, and crsql_adopt ends it",
            ),
        }
    }

    /// The row of `crsql_check`.
    pub fn problem(self, crr: &Crr, key: &Key) -> Problem {
        let (kind, detail) = self.texts();
        Problem::of_row(crr, key, kind, detail)
    }
}

impl RowFacts {
    /// The entry at a position.
    pub fn entry_at(&self, at: Position) -> Option<&LogEntry> {
        self.entries.iter().find(|entry| entry.at == at)
    }

    /// Whether the log says what this entry of the record does, and has room for `reserved` seqs.
    pub fn announces(&self, entry: Entry, reserved: u64) -> bool {
        self.entry_at(entry.at)
            .is_some_and(|found| found.site == entry.site && found.stride >= reserved)
    }

    /// The entries that no part of the record names, in ascending order.
    pub fn loose(&self) -> Vec<Position> {
        let is_named = |at: Position| match &self.record {
            Record::Found(clock) => {
                let is_of_group = clock.groups.iter().any(|group| group.entry.at == at);
                is_of_group || clock.sentinel.is_some_and(|entry| entry.at == at)
            }
            _ => false,
        };
        let mut loose: Vec<Position> = self.entries.iter().map(|entry| entry.at).collect();
        loose.retain(|at| !is_named(*at));
        loose.sort_unstable();
        loose
    }

    /// Where table, record and log disagree.
    pub fn defects(&self, columns: &[Column]) -> Vec<Defect> {
        let loose = self.loose().len();
        let mut defects = Vec::new();
        match (&self.record, self.is_there) {
            (Record::Damaged(_), _) => return vec![Defect::Damaged],
            (Record::Missing, true) if loose == 0 => defects.push(Defect::NotRecorded),
            (Record::Missing, true) => {}
            (Record::Missing, false) => defects.push(Defect::Gone),
            (Record::Found(clock), is_there) => {
                match (clock.cl.is_live(), is_there) {
                    (true, false) => defects.push(Defect::Gone),
                    (false, true) => defects.push(Defect::Undead),
                    _ => {}
                }
                let lacks_first_insert = needs_first_insert(clock, columns) && loose == 0;
                if lacks_first_insert || !self.announces_all(clock) {
                    defects.push(Defect::Unannounced);
                }
            }
        }
        let speaks = match &self.record {
            Record::Found(clock) => needs_first_insert(clock, columns),
            _ => true,
        };
        if loose > 1 && speaks {
            defects.push(Defect::ListedTwice);
        }
        defects
    }

    fn announces_all(&self, clock: &RowClock) -> bool {
        let of_groups = || {
            clock
                .groups
                .iter()
                .all(|group| self.announces(group.entry, reserved(group)))
        };
        clock.sentinel.is_none_or(|entry| self.announces(entry, 1)) && of_groups()
    }
}

/// The seqs that a group takes.
pub fn reserved(group: &Group) -> u64 {
    group.cells.last().map_or(1, |cell| cell.offset + 1)
}

/// Whether there are columns that only the entry of the first insert speaks for. What late columns hold may be
/// older than they are.
pub fn needs_first_insert(clock: &RowClock, columns: &[Column]) -> bool {
    columns.iter().any(|column| {
        let is_inserted = match clock.base {
            Base::Unset => false,
            Base::Pristine => column.late.is_none(),
            Base::PristineTo(end) => column.id.0 < end,
        };
        is_inserted && !clock.lists(column.id)
    })
}

/// Whether a record can be one that this extension wrote.
fn is_sound(clock: &RowClock) -> bool {
    let is_deleted = !clock.cl.is_live();
    if is_deleted && !clock.groups.is_empty() {
        return false;
    }
    if clock.cl > CausalLength::FIRST_LIFE && clock.sentinel.is_none() {
        return false;
    }
    let mut columns = Vec::new();
    let mut places: Vec<Position> = clock.sentinel.iter().map(|entry| entry.at).collect();
    for group in &clock.groups {
        let ascends = group
            .cells
            .windows(2)
            .all(|pair| pair[0].offset < pair[1].offset);
        if group.cells.is_empty() || !ascends {
            return false;
        }
        columns.extend(group.cells.iter().map(|cell| cell.column));
        places.push(group.entry.at);
    }
    let (named, taken) = (columns.len(), places.len());
    columns.sort_unstable();
    columns.dedup();
    places.sort_unstable();
    places.dedup();
    named == columns.len() && taken == places.len()
}

fn record_of(fact: &Fact) -> Record {
    let clock = match &fact.clock {
        Value::Blob(bytes) if (1..=COUNTER_MAX).contains(&fact.cl) => {
            RowClock::decode(CausalLength(fact.cl as u64), bytes)
        }
        _ => None,
    };
    match clock {
        Some(clock) if is_sound(&clock) => Record::Found(clock),
        _ => Record::Damaged(fact.cl),
    }
}

/// The rows of all tables or of one, each with all that is known of it, by table and key.
#[derive(Debug)]
pub struct RowStream {
    facts: Statement,
    ahead: Option<Fact>,
}

impl RowStream {
    /// Starts to read. What waits in memory must have been written.
    pub fn start(state: &State, only: Option<&Crr>) -> Result<RowStream> {
        let connection = state.store.connection;
        let facts = match only {
            None => connection.prepare(sql::REPAIR_KEYS)?,
            Some(crr) => {
                let mut facts = connection.prepare(sql::REPAIR_KEYS_OF)?;
                facts.bind(1, ValueRef::Integer(crr.id.0))?;
                facts.bind(2, ValueRef::Text(crr.name.as_bytes()))?;
                facts
            }
        };
        let mut stream = RowStream { facts, ahead: None };
        stream.ahead = stream.read()?;
        Ok(stream)
    }

    fn read(&mut self) -> Result<Option<Fact>> {
        let row = &mut self.facts;
        if !row.step()? {
            return Ok(None);
        }
        let key = match row.value(1) {
            ValueRef::Integer(rowid) => Some(Key::Rowid(rowid)),
            ValueRef::Blob(packed) => Some(Key::Packed(packed.to_vec())),
            _ => None,
        };
        let kind = FactKind::from_number(row.integer(2))
            .ok_or_else(|| Error::Internal("a fact of an unknown kind".to_owned()))?;
        Ok(Some(Fact {
            table: TableId(row.integer(0)),
            key,
            kind,
            cl: row.integer(3),
            clock: row.value(4).to_owned(),
            entry: [5, 6, 7, 8].map(|column| row.integer(column)),
        }))
    }

    /// The next row. What stands under an impossible key comes alone.
    pub fn next(&mut self) -> Result<Option<RowFacts>> {
        let Some(first) = self.ahead.take() else {
            return Ok(None);
        };
        let mut row = RowFacts {
            table: first.table,
            key: first.key.clone(),
            is_there: false,
            record: Record::Missing,
            entries: Vec::new(),
        };
        row.take(first);
        self.ahead = self.read()?;
        while row.key.is_some()
            && let Some(fact) = self
                .ahead
                .take_if(|fact| fact.table == row.table && fact.key == row.key)
        {
            row.take(fact);
            self.ahead = self.read()?;
        }
        Ok(Some(row))
    }
}

impl RowFacts {
    fn take(&mut self, fact: Fact) {
        match fact.kind {
            FactKind::Row => self.is_there = true,
            FactKind::Record => self.record = record_of(&fact),
            FactKind::Entry => {
                let [version, seq, site, stride] = fact.entry.map(|number| number as u64);
                self.entries.push(LogEntry {
                    at: Position {
                        version: DbVersion(version),
                        seq: Seq(seq),
                    },
                    site: SiteOrdinal(site),
                    stride,
                });
            }
        }
    }
}
