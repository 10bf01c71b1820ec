//! One replica: rows with a clock per cell, the Lamport clock, and transactions with savepoints.
//!
//! Always holds: `db_version` of the next event is larger than every committed one, and an event replaces the earlier
//! event of its cell, so each cell has one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::key::Key;
use super::parked::Parked;
use super::reach::{Reach, Situation};
use super::table::Table;
use super::value::Value;

pub type Site = [u8; 16];

/// One row of `crsql_changes`.
#[derive(Clone, Debug)]
pub struct Change {
    pub table: String,
    pub pk: Key,
    pub cid: String,
    pub val: Value,
    pub col_version: i64,
    pub db_version: i64,
    pub site: Vec<u8>,
    pub cl: i64,
    pub seq: i64,
}

pub const SENTINEL: &str = "-1";

/// The event that last set a cell or a causal length.
#[derive(Clone, Debug)]
pub struct Event {
    /// The column version, or the causal length for a sentinel.
    pub version: i64,
    pub db_version: i64,
    pub seq: i64,
    pub site: Site,
}

#[derive(Clone, Debug)]
pub struct Row {
    /// The values of the cells while the row is live.
    pub values: Option<Vec<Value>>,
    pub sentinel: Option<Event>,
    pub cells: Vec<Option<Event>>,
    /// What told of the row before all its cells were dropped.
    pub left: Option<Event>,
}

impl Row {
    pub fn unknown(cells: usize) -> Row {
        Row {
            values: None,
            sentinel: None,
            cells: vec![None; cells],
            left: None,
        }
    }

    pub fn causal_length(&self) -> i64 {
        match &self.sentinel {
            Some(sentinel) => sentinel.version,
            None => i64::from(self.values.is_some() || self.cells.iter().any(Option::is_some)),
        }
    }

    /// Is the row there without any event that tells of it?
    pub fn is_silent(&self) -> bool {
        self.values.is_some() && self.sentinel.is_none() && self.cells.iter().all(Option::is_none)
    }

    /// The column version of a cell; one that was never set counts as 0.
    pub fn cell_version(&self, cell: usize) -> i64 {
        self.cells[cell].as_ref().map_or(0, |event| event.version)
    }
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub rows: BTreeMap<(usize, Key), Row>,
    /// The highest db_version of an event.
    pub db_version: i64,
    /// Versions whose seqs may have gaps: a merge, a failed statement or a rollback to a savepoint came before.
    loose: BTreeSet<i64>,
    /// For each committed transaction the last of its versions, and the last one before it.
    transactions: BTreeMap<i64, i64>,
    pub rows_impacted: i64,
}

/// The tables as one replica has them.
#[derive(Clone, Debug)]
pub struct Schema {
    pub tables: Rc<Vec<Table>>,
    /// How many of the migrations were applied.
    pub level: usize,
    pub parked: Rc<Parked>,
    /// The tables that the open transaction wrote to.
    pub noticed: BTreeSet<usize>,
}

/// A place in a transaction to which it can go back.
#[derive(Clone, Debug)]
pub struct Mark {
    journal_length: usize,
    db_version: i64,
    rows_impacted: i64,
    pending: i64,
    schema: Schema,
}

#[derive(Clone, Debug)]
struct Transaction {
    start: Mark,
    savepoints: Vec<Mark>,
    /// Each row as it was before it was first touched after a mark.
    journal: Vec<((usize, Key), Option<Row>)>,
    /// The rows touched since the last mark.
    touched: BTreeSet<(usize, Key)>,
    pending: i64,
    /// The lowest version that the next event may have: `pending`, unless a rollback could have lowered it.
    pending_min: i64,
    /// For each version that has events, the seq after the last one.
    next_seqs: BTreeMap<i64, i64>,
    loose: bool,
}

#[derive(Clone, Debug)]
pub struct Replica {
    pub site: Site,
    pub schema: Schema,
    /// Are changes of unknown tables and columns refused, or do they wait?
    pub refuses_unknown: bool,
    pub merge_equal_values: bool,
    pub recursive_triggers: bool,
    /// Was a change applied that bears this replica's own site?
    pub has_applied_own: bool,
    pub state: State,
    pub reach: Reach,
    transaction: Option<Transaction>,
}

impl Replica {
    pub fn new(site: Site, tables: Rc<Vec<Table>>) -> Replica {
        Replica {
            site,
            schema: Schema {
                tables,
                level: 0,
                parked: Rc::default(),
                noticed: BTreeSet::new(),
            },
            refuses_unknown: false,
            merge_equal_values: false,
            recursive_triggers: false,
            has_applied_own: false,
            state: State::default(),
            reach: Reach::default(),
            transaction: None,
        }
    }

    pub fn tables(&self) -> Rc<Vec<Table>> {
        Rc::clone(&self.schema.tables)
    }

    pub fn table(&self, table: usize) -> &Table {
        &self.schema.tables[table]
    }

    pub fn begin(&mut self) {
        assert!(self.transaction.is_none());
        let pending = self.state.db_version + 1;
        let start = Mark {
            journal_length: 0,
            db_version: self.state.db_version,
            rows_impacted: 0,
            pending,
            schema: self.schema.clone(),
        };
        self.transaction = Some(Transaction {
            start,
            savepoints: Vec::new(),
            journal: Vec::new(),
            touched: BTreeSet::new(),
            pending,
            pending_min: pending,
            next_seqs: BTreeMap::new(),
            loose: false,
        });
    }

    pub fn commit(&mut self) {
        let start = self.open().start.db_version;
        if self.state.db_version > start {
            self.state.transactions.insert(self.state.db_version, start);
        }
        for table in std::mem::take(&mut self.schema.noticed) {
            self.capture_all(table);
        }
        self.end_sessions();
        self.transaction = None;
        self.state.rows_impacted = 0;
    }

    pub fn rollback(&mut self) {
        let start = self.open().start.clone();
        let first = start.db_version + 1;
        self.restore(start);
        self.state.loose.split_off(&first);
        self.transaction = None;
    }

    pub fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    pub fn savepoint(&mut self) {
        let mark = self.mark();
        let open = self.open();
        open.savepoints.push(mark);
        if open.savepoints.len() > 1 {
            self.reach.met(Situation::NestedSavepoint);
        }
    }

    pub fn savepoints(&self) -> usize {
        self.transaction
            .as_ref()
            .map_or(0, |open| open.savepoints.len())
    }

    /// Forgets the savepoint at this depth and those inside it.
    pub fn release(&mut self, depth: usize) {
        self.open().savepoints.truncate(depth);
    }

    /// Goes back to the savepoint at this depth, which stays.
    pub fn rollback_to(&mut self, depth: usize) {
        self.open().savepoints.truncate(depth + 1);
        let mark = self.open().savepoints[depth].clone();
        self.restore(mark);
    }

    pub fn mark(&mut self) -> Mark {
        let (db_version, rows_impacted) = (self.state.db_version, self.state.rows_impacted);
        let schema = self.schema.clone();
        let open = self.open();
        open.touched.clear();
        Mark {
            journal_length: open.journal.len(),
            db_version,
            rows_impacted,
            pending: open.pending,
            schema,
        }
    }

    /// Undoes everything since the mark. The version that was pending may stay pending or not, and seqs may be skipped.
    pub fn restore(&mut self, mark: Mark) {
        let open = self.transaction.as_mut().expect("a transaction is open");
        for (place, before) in open.journal.drain(mark.journal_length..).rev() {
            match before {
                Some(row) => self.state.rows.insert(place, row),
                None => self.state.rows.remove(&place),
            };
        }
        open.touched.clear();
        open.pending_min = open.pending_min.min(mark.pending);
        open.loose = true;
        self.state.db_version = mark.db_version;
        self.state.rows_impacted = mark.rows_impacted;
        self.schema = mark.schema;
    }

    /// The range in which the next event's version must lie.
    pub fn next_version_range(&mut self) -> (i64, i64) {
        let open = self.open();
        (open.pending_min, open.pending)
    }

    /// Pins the next event's version.
    pub fn set_next_version(&mut self, version: i64) {
        let open = self.open();
        open.pending = version;
        open.pending_min = version;
    }

    /// `crsql_next_db_version(n)`.
    pub fn raise_next_version(&mut self, version: i64) {
        let pending = self.open().pending;
        if version > pending {
            self.set_next_version(version);
            self.reach.met(Situation::VersionRaised);
        }
    }

    /// The committed version, as `crsql_db_version()` gives it inside a transaction too.
    pub fn db_version(&self) -> i64 {
        self.transaction
            .as_ref()
            .map_or(self.state.db_version, |open| open.start.db_version)
    }

    fn open(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("a transaction is open")
    }

    /// A new local event.
    pub fn local_event(&mut self, version: i64) -> Event {
        let site = self.site;
        self.event(version, site, None)
    }

    /// A new event; a merged one keeps its seq if that is still free and in order.
    pub fn event(&mut self, version: i64, site: Site, wanted_seq: Option<i64>) -> Event {
        let open = self.open();
        open.loose |= wanted_seq.is_some();
        let next_seq = open.next_seqs.entry(open.pending).or_default();
        let seq = wanted_seq.unwrap_or(0).max(*next_seq);
        *next_seq = seq + 1;
        let (db_version, loose) = (open.pending, open.loose);
        self.state.db_version = db_version;
        if loose {
            self.state.loose.insert(db_version);
        }
        Event {
            version,
            db_version,
            seq,
            site,
        }
    }

    /// The seqs of the version that is being written may have gaps.
    pub fn loosen(&mut self) {
        self.open().loose = true;
    }

    pub fn has_exact_seqs(&self, db_version: i64) -> bool {
        !self.state.loose.contains(&db_version)
    }

    pub fn row(&self, table: usize, key: &Key) -> Option<&Row> {
        self.state.rows.get(&(table, key.clone()))
    }

    pub fn row_mut(&mut self, table: usize, key: &Key) -> &mut Row {
        let place = (table, key.clone());
        if let Some(open) = &mut self.transaction
            && open.touched.insert(place.clone())
        {
            open.journal
                .push((place.clone(), self.state.rows.get(&place).cloned()));
        }
        let cells = self.schema.tables[table].cells.len();
        self.state
            .rows
            .entry(place)
            .or_insert_with(|| Row::unknown(cells))
    }

    pub fn is_live(&self, table: usize, key: &Key) -> bool {
        self.row(table, key).is_some_and(|row| row.values.is_some())
    }

    /// Was the row live before the open transaction?
    pub fn was_live(&self, table: usize, key: &Key) -> bool {
        let place = (table, key.clone());
        let journal = self.transaction.iter().flat_map(|open| &open.journal);
        let before = journal
            .filter(|(of, _)| *of == place)
            .map(|(_, row)| row.as_ref())
            .next();
        let row = before.unwrap_or_else(|| self.state.rows.get(&place));
        row.is_some_and(|row| row.values.is_some())
    }

    pub fn causal_length(&self, table: usize, key: &Key) -> i64 {
        self.row(table, key).map_or(0, Row::causal_length)
    }

    /// Removes a row and everything that is known of it.
    pub fn forget_row(&mut self, table: usize, key: &Key) {
        self.row_mut(table, key);
        self.state.rows.remove(&(table, key.clone()));
    }

    /// The keys of all rows and tombstones of a table.
    pub fn keys(&self, table: usize) -> Vec<Key> {
        let of_table = self.state.rows.keys().filter(|(of, _)| *of == table);
        of_table.map(|(_, key)| key.clone()).collect()
    }

    /// The last version of the transaction that made this one.
    pub fn transaction_end(&self, db_version: i64) -> i64 {
        let start = self.transaction.as_ref().map(|open| open.start.db_version);
        if start.is_some_and(|start| db_version > start) {
            return self.state.db_version;
        }
        self.state
            .transactions
            .range(db_version..)
            .next()
            .map_or(db_version, |(end, _)| *end)
    }

    /// `SELECT * FROM crsql_changes WHERE db_version > since`.
    pub fn changes(&self, since: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        for ((table, key), row) in &self.state.rows {
            let table = &self.schema.tables[*table];
            let cl = row.causal_length();
            let mut report = |event: &Option<Event>, cid: &str, val: Value| {
                if let Some(event) = event.as_ref().filter(|event| event.db_version > since) {
                    changes.push(Change {
                        table: table.name.clone(),
                        pk: key.clone(),
                        cid: cid.to_owned(),
                        val,
                        col_version: event.version,
                        db_version: event.db_version,
                        site: event.site.to_vec(),
                        cl,
                        seq: event.seq,
                    });
                }
            };
            report(&row.sentinel, SENTINEL, Value::Null);
            if row.is_silent() {
                report(&row.left, SENTINEL, Value::Null);
            }
            for (cell, event) in row.cells.iter().enumerate() {
                let val = row
                    .values
                    .as_ref()
                    .map_or(Value::Null, |values| values[cell].clone());
                report(event, &table.columns[table.cells[cell]].name, val);
            }
        }
        changes.sort_by_key(|change| (change.db_version, change.seq));
        changes
    }
}
