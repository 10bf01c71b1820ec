//! The table `crsql_status`: how far each peer is, and what each replicated table holds.
//!
//! A figure is counted only when its column is asked for.

use crate::crdt::change::TableId;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::crr::rows_table;
use crate::sql::{self, Part};
use crate::sqlite::query::Query;
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use crate::state::State;
use std::rc::Rc;

/// The columns, by index.
mod column {
    pub(super) const KIND: usize = 0;
    pub(super) const NAME: usize = 1;
    pub(super) const SITE_ID: usize = 2;
    pub(super) const DB_VERSION: usize = 3;
    pub(super) const RECEIVED_VERSION: usize = 4;
    pub(super) const RECEIVED_AT: usize = 5;
    pub(super) const SENT_AT: usize = 7;
    pub(super) const UNSENT: usize = 8;
    pub(super) const PARKED: usize = 9;
    pub(super) const ROWS: usize = 10;
    pub(super) const TOMBSTONES: usize = 11;
    pub(super) const LOG_ENTRIES: usize = 12;
    pub(super) const METADATA_BYTES: usize = 13;
    pub(super) const PARTS: usize = 14;
    pub(super) const PARTS_BYTES: usize = 15;
    pub(super) const NOT_RECONCILED: usize = 16;
}

/// `crsql_status` on one connection.
pub struct Status {
    state: Rc<State>,
}

/// What a row is about.
enum Subject {
    Database,
    /// A peer: its site id, then what it sent and when, and what it was sent and when
    Peer(Value, [Value; 4]),
    /// A table, and why it was not reconciled; without an id it is not here
    Table(Option<TableId>, String, Value),
    /// A transaction of which only parts are here: who sent them, its version there, since when, how many, bytes
    Transaction([Value; 5]),
}

/// The rows of `crsql_status`.
pub struct StatusCursor {
    state: Rc<State>,
    subjects: Vec<Subject>,
    next: usize,
}

impl Table for Status {
    type State = State;
    type Cursor = StatusCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (kind TEXT, name TEXT, site_id BLOB, db_version INTEGER, \
        received_version INTEGER, received_at TEXT, sent_version INTEGER, sent_at TEXT, unsent INTEGER, parked INTEGER, \
        rows INTEGER, tombstones INTEGER, log_entries INTEGER, metadata_bytes INTEGER, parts INTEGER, parts_bytes INTEGER, \
        not_reconciled TEXT)";

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<Status> {
        Ok(Status {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, _query: &mut Query<'_>) -> Result<()> {
        Ok(())
    }

    fn open(&self) -> Result<StatusCursor> {
        Ok(StatusCursor {
            state: Rc::clone(&self.state),
            subjects: Vec::new(),
            next: 0,
        })
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_status shows figures and holds no rows to write to".to_owned())
    }
}

impl StatusCursor {
    fn read_subjects(&self) -> Result<Vec<Subject>> {
        let connection = self.state.store.connection;
        let mut subjects = vec![Subject::Database];
        let mut peers = connection.prepare(sql::STATUS_PEERS)?;
        while peers.step()? {
            let value = |column| peers.value(column).to_owned();
            subjects.push(Subject::Peer(value(0), [1, 2, 3, 4].map(value)));
        }
        if self.exists(sql::PARTS_EXISTS)? {
            let mut transactions = connection.prepare(sql::STATUS_TRANSACTIONS)?;
            while transactions.step()? {
                let figures = [0, 1, 2, 3, 4].map(|column| transactions.value(column).to_owned());
                subjects.push(Subject::Transaction(figures));
            }
        }
        let mut unmatched = self.read_unmatched()?;
        let mut tables = connection.prepare(sql::STATUS_TABLES)?;
        while tables.step()? {
            let is_here = tables.value(0) != ValueRef::Null;
            let (id, name) = (is_here.then(|| TableId(tables.integer(0))), tables.text(1));
            let noted = unmatched
                .iter()
                .position(|(noted, _)| name.eq_ignore_ascii_case(noted));
            let reason = noted.map_or(Value::Null, |place| unmatched.remove(place).1);
            subjects.push(Subject::Table(id, name, reason));
        }
        let not_here = unmatched.into_iter();
        subjects.extend(not_here.map(|(name, reason)| Subject::Table(None, name, reason)));
        Ok(subjects)
    }

    /// The tables that the last conversation left alone, and why.
    fn read_unmatched(&self) -> Result<Vec<(String, Value)>> {
        let mut found = Vec::new();
        if self.exists(sql::UNMATCHED_EXISTS)? {
            let mut unmatched = self.state.store.connection.prepare(sql::STATUS_UNMATCHED)?;
            while unmatched.step()? {
                found.push((unmatched.text(0), unmatched.value(1).to_owned()));
            }
        }
        Ok(found)
    }

    fn exists(&self, text: &str) -> Result<bool> {
        let mut query = self.state.store.connection.prepare(text)?;
        Ok(query.first([], |_| ())?.is_some())
    }

    /// The first number of a query.
    fn count(&self, text: &str, values: &[ValueRef<'_>]) -> Result<i64> {
        let mut query = self.state.store.connection.prepare(text)?;
        let count = query.first(values.iter().copied(), |row| row.integer(0))?;
        Ok(count.unwrap_or_default())
    }

    fn of_database(&self, column: usize) -> Result<Value> {
        Ok(match column {
            column::KIND => text("database"),
            column::SITE_ID => Value::Blob(self.state.site_id()?),
            column::DB_VERSION => Value::Integer(self.state.committed_version()?.to_sql()),
            column::PARKED => Value::Integer(self.count(sql::STATUS_PARKED_ALL, &[])?),
            _ => Value::Null,
        })
    }

    fn of_peer(&self, column: usize, site: &Value, progress: &[Value; 4]) -> Result<Value> {
        Ok(match column {
            column::KIND => text("peer"),
            column::SITE_ID => site.clone(),
            column::RECEIVED_VERSION..=column::SENT_AT => progress
                .get(column - column::RECEIVED_VERSION)
                .cloned()
                .unwrap_or(Value::Null),
            column::UNSENT => {
                let sent = match progress[2] {
                    Value::Integer(version) => version,
                    _ => 0,
                };
                let values = [ValueRef::Integer(sent), site.as_ref()];
                Value::Integer(self.count(sql::STATUS_UNSENT, &values)?)
            }
            _ => Value::Null,
        })
    }

    fn of_table(&self, column: usize, id: Option<TableId>, name: &str) -> Result<Value> {
        match column {
            column::KIND => return Ok(text("table")),
            column::NAME => return Ok(text(name)),
            column::PARKED => {
                let values = [ValueRef::Text(name.as_bytes())];
                return Ok(Value::Integer(self.count(sql::STATUS_PARKED, &values)?));
            }
            _ => {}
        }
        let Some(id) = id else {
            return Ok(Value::Null);
        };
        let rows = rows_table(id);
        let parts = [("table", Part::Name(name)), ("rows", Part::Name(&rows))];
        let filled = |text| self.count(&sql::fill(text, &parts), &[]);
        let of_log = |text| self.count(text, &[ValueRef::Integer(id.0)]);
        Ok(Value::Integer(match column {
            column::ROWS => filled(sql::STATUS_ROWS)?,
            column::TOMBSTONES => filled(sql::STATUS_TOMBSTONES)?,
            column::LOG_ENTRIES => of_log(sql::STATUS_LOG_ENTRIES)?,
            column::METADATA_BYTES => {
                filled(sql::STATUS_RECORDS_BYTES)? + of_log(sql::STATUS_LOG_BYTES)?
            }
            _ => return Ok(Value::Null),
        }))
    }
}

fn of_transaction(column: usize, figures: &[Value; 5]) -> Value {
    let place = match column {
        column::KIND => return text("transaction"),
        column::SITE_ID => 0,
        column::DB_VERSION => 1,
        column::RECEIVED_AT => 2,
        column::PARTS => 3,
        column::PARTS_BYTES => 4,
        _ => return Value::Null,
    };
    figures.get(place).cloned().unwrap_or(Value::Null)
}

fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

impl Cursor for StatusCursor {
    fn filter(&mut self, _plan: i32, _plan_text: &str, _arguments: Arguments<'_>) -> Result<()> {
        self.state.check_layout()?;
        self.state.flush_keeping_rowid()?;
        self.next = 0;
        self.subjects = self.state.or_empty(|| self.read_subjects())?;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.next += 1;
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.next >= self.subjects.len()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let value = match self.subjects.get(self.next) {
            Some(Subject::Database) => self.of_database(column)?,
            Some(Subject::Peer(site, progress)) => self.of_peer(column, site, progress)?,
            Some(Subject::Table(_, _, reason)) if column == column::NOT_RECONCILED => {
                reason.clone()
            }
            Some(Subject::Table(id, name, _)) => self.of_table(column, *id, name)?,
            Some(Subject::Transaction(figures)) => of_transaction(column, figures),
            None => Value::Null,
        };
        context.result(value.as_ref());
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.next as i64
    }
}
