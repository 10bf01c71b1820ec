//! New rows, inserted several at a time: much of the time of an insert is that of the statement around it.
//!
//! ```text
//! row --whole, first life, no record, the row before was new--> waits
//! many wait, another row or the end:
//!     in the order of their keys, so many by one INSERT --all are in------------------> inserted
//!                                                       --row n is there, or refused--> those before it are
//!     in the order in which they came: log entries of those that were inserted; the others are merged one by one
//! ```
//! Only where no trigger fires: none may see, or make, a row between two of them.
//!
//! Rows that come in another order than that of their keys cost most where they go into the b-tree of these: each needs
//! another page. Of tables without a rowid a few thousand wait, which in order need each page once.

use super::{Merging, Target};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion};
use crate::crdt::changeset::{CellRead, RowView};
use crate::crdt::value::{ValueRef, is_stored_form};
use crate::error::{Error, Result};
use crate::schema::key::canonical;
use crate::schema::{Crr, Key};
use crate::sql::{self, Part, quoted};
use crate::sqlite::Statement;
use std::cmp::Ordering;

/// So many rows make a statement. More save little.
const ROWS: usize = 16;

/// A statement has at most so many parameters, below the lowest limit in use (999).
const PARAMETERS_MAX: usize = 900;

/// So many rows wait for being put in order at most, and so many cells of them.
const ROWS_IN_ORDER: usize = 1 << 14;
const CELLS_IN_ORDER: usize = 1 << 16;

/// So many statements may end before their last row, and half of all: after that the others are merged one by one.
const REFUSALS: usize = 4;

/// Rows that wait, all of one group of a chunk.
#[derive(Default)]
pub(in crate::apply) struct Batch<'a> {
    rows: Vec<Waiting>,
    /// Whether only as many wait as one statement takes
    is_short: bool,
    /// What they have in common
    group: usize,
    table: usize,
    key_columns: usize,
    columns: Vec<u32>,
    /// The key as it came and the cells, row by row
    keys: Vec<ValueRef<'a>>,
    cells: Vec<CellRead<'a>>,
}

struct Waiting {
    key: Key,
    site: usize,
    version: DbVersion,
}

impl<'a> Batch<'a> {
    /// One of as many rows as one statement takes, for those who count the time.
    pub(in crate::apply) fn short() -> Batch<'a> {
        Batch {
            is_short: true,
            ..Batch::default()
        }
    }

    /// Whether it is time to insert those that wait, of which a statement takes so many.
    fn is_full(&self, rows: usize, takes_many: bool) -> bool {
        match self.is_short || !takes_many {
            true => self.rows.len() >= rows,
            false => self.rows.len() >= ROWS_IN_ORDER || self.cells.len() >= CELLS_IN_ORDER,
        }
    }

    /// The places of those that wait, in the order of their keys.
    fn in_order(&self) -> Vec<usize> {
        let key = |place: usize| {
            let of = place * self.key_columns..(place + 1) * self.key_columns;
            self.keys.get(of).unwrap_or_default()
        };
        // Sorted are small things: the beginnings of the keys, and their places for where those are equal.
        let mut order: Vec<(u128, usize)> = (0..self.rows.len())
            .map(|place| (key(place).first().map_or(0, beginning), place))
            .collect();
        let by_key = |(a, a_place): &(u128, usize), (b, b_place): &(u128, usize)| {
            a.cmp(b).then_with(|| {
                let mut pairs = key(*a_place).iter().zip(key(*b_place));
                let differing = pairs.find_map(|(a, b)| {
                    Some(a.merge_order(*b)).filter(|order| *order != Ordering::Equal)
                });
                differing.unwrap_or_else(|| a_place.cmp(b_place))
            })
        };
        if !order.is_sorted_by(|a, b| by_key(a, b) == Ordering::Less) {
            order.sort_unstable_by(by_key);
        }
        order.into_iter().map(|(_, place)| place).collect()
    }

    fn push(&mut self, key: Key, row: &RowView<'_, 'a>) {
        if self.rows.is_empty() {
            (self.group, self.table) = (row.group, row.table);
            self.key_columns = row.key.len();
            self.columns.clear();
            self.columns.extend_from_slice(row.columns);
            self.keys.clear();
            self.cells.clear();
        }
        self.keys.extend_from_slice(row.key);
        self.cells.extend_from_slice(row.cells);
        self.rows.push(Waiting {
            key,
            site: row.site,
            version: row.version,
        });
    }

    /// The row at this place, as it came.
    fn row<'r>(&'r self, place: usize, row: &Waiting) -> RowView<'r, 'a> {
        let of = |width: usize| place * width..(place + 1) * width;
        let cells = self.cells.get(of(self.columns.len())).unwrap_or_default();
        RowView {
            group: self.group,
            table: self.table,
            columns: &self.columns,
            site: row.site,
            version: row.version,
            seq: cells.first().map(|cell| cell.seq).unwrap_or_default(),
            cl: CausalLength::FIRST_LIFE,
            key: self.keys.get(of(self.key_columns)).unwrap_or_default(),
            cells,
        }
    }
}

/// A number that is smaller for values that stand before others in an index, or equal.
fn beginning(value: &ValueRef<'_>) -> u128 {
    let of_bytes = |class: u128, bytes: &[u8]| {
        let mut first = [0; 16];
        for (place, byte) in first[1..].iter_mut().zip(bytes) {
            *place = *byte;
        }
        class << 120 | u128::from_be_bytes(first)
    };
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(integer) => {
            1 << 120 | (i128::from(*integer) - i128::from(i64::MIN)) as u128
        }
        // Beside integers they may stand anywhere: these are rare, and the order only saves time.
        ValueRef::Real(_) => 2 << 120,
        ValueRef::Text(text) => of_bytes(3, text),
        ValueRef::Blob(blob) => of_bytes(4, blob),
    }
}

/// How many rows a statement for this table has; 0 where that is none.
fn rows_at_once(crr: &Crr) -> usize {
    let width = crr.key_columns.len() + crr.columns.len();
    let rows = ROWS.min(PARAMETERS_MAX / width.max(1));
    if rows < 2 { 0 } else { rows }
}

fn insert_sql(crr: &Crr, rows: usize) -> String {
    let names = crr.columns.iter().map(|column| column.name.as_str());
    let columns = sql::join(", ", crr.key_names().chain(names).map(quoted));
    let width = crr.key_columns.len() + crr.columns.len();
    let row = |row: usize| format!("({})", sql::parameters(1 + row * width, width));
    let rows = sql::join(", ", (0..rows).map(row));
    let parts = [("columns", Part::Sql(&columns)), ("rows", Part::Sql(&rows))];
    crr.row_sql(sql::ROW_INSERT_BATCH, &parts)
}

impl Merging<'_> {
    /// Merges a row, perhaps not before `flush`.
    pub(in crate::apply) fn merge_in<'a>(
        &mut self,
        batch: &mut Batch<'a>,
        row: &RowView<'_, 'a>,
    ) -> Result<()> {
        if !self.is_undisturbed {
            return self.merge(row);
        }
        if !batch.rows.is_empty() && batch.group != row.group {
            self.flush(batch)?;
        }
        let Some((key, rows)) = self.new_key(row)? else {
            self.flush(batch)?;
            return self.merge(row);
        };
        batch.push(key, row);
        let target = self.targets.get(row.group).and_then(Option::as_ref);
        match batch.is_full(rows, target.is_some_and(|target| target.takes_many)) {
            true => self.flush(batch),
            false => Ok(()),
        }
    }

    /// Merges what waits.
    pub(in crate::apply) fn flush(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        if batch.rows.is_empty() {
            return Ok(());
        }
        let mut targets = std::mem::take(&mut self.targets);
        let inserted = match targets.get_mut(batch.group) {
            Some(Some(target)) => self.insert_batch(target, batch),
            _ => Ok(Vec::new()),
        };
        let crr = targets
            .get(batch.group)
            .and_then(|target| target.as_ref()?.crr.clone());
        self.targets = targets;
        let mut inserted = inserted?.into_iter();
        for (place, row) in std::mem::take(&mut batch.rows).iter().enumerate() {
            let view = batch.row(place, row);
            match &crr {
                Some(crr) if inserted.next() == Some(true) => {
                    self.state.flush_held()?;
                    self.log_new(crr, &row.key, &view)?;
                }
                _ => self.merge(&view)?,
            }
        }
        Ok(())
    }

    /// The key of a row that may be inserted with others, as it will most likely be new; and with how many.
    fn new_key(&mut self, row: &RowView<'_, '_>) -> Result<Option<(Key, usize)>> {
        let is_first = |cell: &CellRead<'_>| cell.version == ColumnVersion::FIRST;
        let is_plain = row.cl == CausalLength::FIRST_LIFE && row.cells.iter().all(is_first);
        if row.cells.is_empty() || !is_plain {
            return Ok(None);
        }
        let Some(Some(target)) = self.targets.get(row.group) else {
            return Ok(None);
        };
        let Some(crr) = target.crr.as_ref().filter(|_| target.takes_batches()) else {
            return Ok(None);
        };
        let mut values = row.key.iter().zip(&crr.key_columns);
        let rows = rows_at_once(crr);
        if rows == 0 || !values.all(|(value, column)| is_stored_form(*value, column.affinity)) {
            return Ok(None);
        }
        if self.is_own(row.site)? {
            return Ok(None);
        }
        let key = self.key(crr, row.key)?;
        let epoch = self.state.epoch();
        if let Some(held) = self.state.take_held(crr, &key)? {
            self.state.hold(held, epoch);
            return Ok(None);
        }
        Ok(match self.state.find_clock(crr, &key)? {
            None => Some((key, rows)),
            Some(_) => None,
        })
    }

    /// Inserts those that wait as far as they are new, by statements of many rows; says for each whether it was.
    fn insert_batch(&mut self, target: &mut Target, batch: &Batch<'_>) -> Result<Vec<bool>> {
        let mut inserted = vec![false; batch.rows.len()];
        let Some(crr) = target.crr.clone() else {
            return Ok(inserted);
        };
        // A rowid is better given in the order in which rows come: so they are read again, here and by whoever gets them.
        let may_sort = crr.rowid_names.is_empty();
        let order = match may_sort {
            true => batch.in_order(),
            false => (0..batch.rows.len()).collect(),
        };
        let (mut statements, mut refusals) = (0, 0);
        for places in order.chunks_exact(rows_at_once(&crr).max(1)) {
            let count = self.insert_at_once(target, &crr, batch, places)?;
            for place in &places[..count] {
                inserted[*place] = true;
            }
            statements += 1;
            refusals += usize::from(count < places.len());
            if refusals > REFUSALS + statements / 2 || target.is_refusing_batches {
                break;
            }
        }
        target.takes_many = refusals == 0 && may_sort;
        Ok(inserted)
    }

    /// Inserts rows by one statement, which ends before the first that is there or refused; gives the number of those
    /// that are in.
    fn insert_at_once(
        &mut self,
        target: &mut Target,
        crr: &Crr,
        batch: &Batch<'_>,
        places: &[usize],
    ) -> Result<usize> {
        if let Some(finder) = &mut target.rows {
            finder.stop();
        }
        let connection = self.state.store.connection;
        let insert: &mut Statement = match &mut target.batch {
            Some(insert) => insert,
            none => match connection.prepare_persistent(&insert_sql(crr, places.len())) {
                Ok(insert) => none.insert(insert),
                // The application may have lowered the limits of SQLite so far that only single rows fit.
                Err(error) if error.is_about_statement() => {
                    target.is_refusing_batches = true;
                    return Ok(0);
                }
                Err(error) => return Err(error),
            },
        };
        let views = places
            .iter()
            .filter_map(|place| Some(batch.row(*place, batch.rows.get(*place)?)));
        let values = views.flat_map(|view| {
            let key = view.key.iter().zip(&crr.key_columns);
            let key = key.map(|(value, column)| canonical(*value, column.affinity));
            let cells = view.cells.iter().map(|cell| cell.value);
            key.chain(cells)
        });
        let inserted = match insert.run(values) {
            Ok(changed) => changed,
            // A row that is refused ends the statement by its OR FAIL, so that the count is that of the rows that are in. It
            // may be there, and what came may lose to it.
            Err(error) if error.is_refused_row() => {
                target.expects_new = false;
                connection.changes()
            }
            Err(error) => {
                return Err(error.during(format_args!("merging into table {}", quoted(&crr.name))));
            }
        };
        self.state.settle();
        let inserted = usize::try_from(inserted).unwrap_or_default();
        Ok(inserted.min(places.len()))
    }

    /// Records a whole row that was just inserted.
    pub(super) fn log_new(&mut self, crr: &Crr, key: &Key, row: &RowView<'_, '_>) -> Result<()> {
        let state = self.state;
        state.take_note(crr.id, key);
        self.has_written_known = true;
        let site = self.ordinal(row.site)?;
        let count = row.cells.len() as i64;
        self.won += count;
        self.events += count;
        let Some(first) = row.cells.first() else {
            return Err(Error::Internal("a new row without cells".to_owned()));
        };
        let at = state.keep(state.plan_merged(row.version, first.seq, 1)?);
        state.pass(at, crr.insert_stride());
        state
            .log_first_insert(crr, key, at, site)
            .inspect_err(|_| state.doom())
    }
}
