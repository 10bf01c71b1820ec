//! All that a file says about the keys of replicated tables, one fact at a time: rows, clock records, log entries.
//!
//! Facts come in no order that is of use; whoever wants those of one key together has SQLite sort them.

use super::log;
use super::registry::{self, Registered};
use crate::crdt::change::TableId;
use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;
use crate::schema::{Crr, Key};
use crate::sql::{self, Part};
use crate::sqlite::{Connection, Statement};
use crate::state::State;
use crate::store::log::{Run, RunKeys};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// The row is in the table
    Row = 0,
    /// There is a clock record
    Record = 1,
    /// There is a log entry
    Entry = 2,
}

impl FactKind {
    /// The kind of this number.
    pub fn from_number(number: i64) -> Option<FactKind> {
        [FactKind::Row, FactKind::Record, FactKind::Entry]
            .into_iter()
            .find(|kind| *kind as i64 == number)
    }
}

/// One fact.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The table
    pub table: TableId,
    /// The key; none if it can't be one of this table
    pub key: Option<Key>,
    /// What it is about
    pub kind: FactKind,
    /// Of a record: its causal length
    pub cl: i64,
    /// Of a record: its bytes
    pub clock: Value,
    /// Of an entry: db_version, seq, site, stride
    pub entry: [i64; 4],
}

impl Fact {
    fn new(table: TableId, key: Option<Key>, kind: FactKind) -> Fact {
        Fact {
            table,
            key,
            kind,
            cl: 0,
            clock: Value::Null,
            entry: [0; 4],
        }
    }
}

/// What the scan reads at the moment.
#[derive(Debug, Clone)]
enum Source {
    Rows(Rc<Crr>),
    Records(Rc<Crr>),
    Log,
}

/// A scan of all facts.
#[derive(Debug)]
pub struct KeyScan {
    connection: Connection,
    tables: Vec<Rc<Crr>>,
    sources: VecDeque<Source>,
    open: Option<(Source, Statement)>,
    /// The rest of a run: the run, its keys if they are packed, the index of the next
    run: Option<(Run, VecDeque<Key>, u64)>,
}

impl KeyScan {
    /// A scan of one table, by id and name, or of all.
    pub fn start(state: &State, only: Option<(TableId, &str)>) -> Result<KeyScan> {
        let connection = state.store.connection;
        let tables: Vec<Rc<Crr>> = match only {
            Some((id, name)) => Crr::load(connection, id, name)?
                .map(Rc::new)
                .into_iter()
                .collect(),
            None => registry::registered(state)?
                .into_iter()
                .filter_map(|Registered { crr, .. }| crr)
                .collect(),
        };
        let mut sources = VecDeque::new();
        for crr in &tables {
            sources.push_back(Source::Rows(Rc::clone(crr)));
            if has_records(connection, crr.id)? {
                sources.push_back(Source::Records(Rc::clone(crr)));
            }
        }
        sources.push_back(Source::Log);
        Ok(KeyScan {
            connection,
            tables,
            sources,
            open: None,
            run: None,
        })
    }

    /// The next fact.
    pub fn next(&mut self) -> Result<Option<Fact>> {
        loop {
            if let Some(fact) = self.next_of_run() {
                return Ok(Some(fact));
            }
            let Some((source, statement)) = &mut self.open else {
                let Some(source) = self.sources.pop_front() else {
                    return Ok(None);
                };
                let statement = self.prepare(&source)?;
                self.open = Some((source, statement));
                continue;
            };
            if !statement.step()? {
                self.open = None;
                continue;
            }
            match source {
                Source::Rows(crr) => return Ok(Some(row_fact(crr, statement))),
                Source::Records(crr) => return Ok(Some(record_fact(crr, statement))),
                Source::Log => self.run = open_run(&self.tables, statement)?,
            }
        }
    }

    fn prepare(&self, source: &Source) -> Result<Statement> {
        let text = match source {
            Source::Rows(crr) => {
                let columns =
                    sql::join(", ", crr.key_names().map(|name| sql::column_of("t", name)));
                crr.row_sql(
                    sql::REPAIR_ROW_KEYS,
                    &[("key_columns", Part::Sql(&columns))],
                )
            }
            Source::Records(crr) => crr.clock_sql(sql::REPAIR_RECORDS),
            Source::Log => match &self.tables[..] {
                [only] => {
                    let mut statement = self.connection.prepare(sql::REPAIR_LOG_OF)?;
                    statement.bind(1, ValueRef::Integer(only.id.0))?;
                    return Ok(statement);
                }
                _ => sql::REPAIR_LOG.to_owned(),
            },
        };
        self.connection.prepare(&text)
    }

    fn next_of_run(&mut self) -> Option<Fact> {
        let (run, keys, next) = self.run.as_mut()?;
        if *next >= run.count {
            self.run = None;
            return None;
        }
        let key = match run.keys {
            RunKeys::Rowids(first) => Key::Rowid(first.wrapping_add_unsigned(*next)),
            RunKeys::Packed(_) => keys.pop_front()?,
        };
        let at = run.position(*next);
        *next += 1;
        Some(Fact {
            entry: [
                at.version.to_sql(),
                at.seq.to_sql(),
                run.site.0 as i64,
                run.stride as i64,
            ],
            ..Fact::new(run.table, Some(key), FactKind::Entry)
        })
    }
}

/// Whether the table of the clock records is there.
pub fn has_records(connection: Connection, id: TableId) -> Result<bool> {
    let found = connection
        .prepare(sql::REPAIR_HAS_RECORDS)?
        .first([ValueRef::Integer(id.0)], |_| ())?;
    Ok(found.is_some())
}

fn row_fact(crr: &Crr, row: &Statement) -> Fact {
    let values = || (0..crr.key_columns.len()).map(|column| row.value(column));
    let has_null = values().any(|value| matches!(value, ValueRef::Null));
    let key = crr.key_of_values(values()).ok().filter(|_| !has_null);
    Fact::new(crr.id, key, FactKind::Row)
}

fn record_fact(crr: &Crr, row: &Statement) -> Fact {
    let key = match row.value(0) {
        ValueRef::Integer(rowid) if crr.is_rowid_keyed => Some(Key::Rowid(rowid)),
        ValueRef::Blob(packed) if !crr.is_rowid_keyed => {
            let values = crate::crdt::key::unpack(packed).ok();
            values
                .filter(|values| values.len() == crr.key_columns.len())
                .map(|_| Key::Packed(packed.to_vec()))
        }
        _ => None,
    };
    Fact {
        cl: row.integer(1),
        clock: row.value(2).to_owned(),
        ..Fact::new(crr.id, key, FactKind::Record)
    }
}

/// A log row to be taken apart; none if it is damaged or of no table of the scan.
fn open_run(tables: &[Rc<Crr>], row: &Statement) -> Result<Option<(Run, VecDeque<Key>, u64)>> {
    let table = TableId(row.integer(3));
    let Some(crr) = tables.iter().find(|crr| crr.id == table) else {
        return Ok(None);
    };
    if log::defect(row, Some(crr)).is_some() {
        return Ok(None);
    }
    let run = Run::read(row)?;
    let keys = match run.keys {
        RunKeys::Rowids(_) => VecDeque::new(),
        RunKeys::Packed(_) => run
            .split()
            .map(|entry| entry.map(|(_, key)| key))
            .collect::<Result<_>>()?,
    };
    Ok(Some((run, keys, 0)))
}
