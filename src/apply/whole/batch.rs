//! Rows that wait for others: new ones, to be inserted several at a time, as much of the time of an insert is that of the
//! statement around it; and known ones, to be looked up in the order in which they stand in the table.
//!
//! ```text
//! row --whole, first life, no record--> waits, if the row before was new, or known and not where it was expected
//! many wait, another row or the end:
//!     they were known:      merged one by one, in the order of their keys
//!     they are likely new:  in the order of their keys, so many by one INSERT
//!                               --all are in------------------> inserted
//!                               --row n is there, or refused--> those before it are
//!                           log entries of those that were inserted; the others are merged one by one
//! ```
//! Only where no trigger fires: none may see, or make, a row between two of them.
//!
//! Rows that come in another order than that of their keys cost most where they go into the b-tree of these: each needs
//! another page. In order a few thousand need each page once. What was inserted in that order is logged in that order:
//! whoever reads the log finds the rows one behind the other, as they stand in the table. Whoever gets the same changes once
//! more gets them as their author wrote them, and brings them into that order again.

use super::{Merging, Target};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Seq};
use crate::crdt::changeset::{CellRead, RowView};
use crate::crdt::value::{ValueRef, is_stored_form};
use crate::error::Result;
use crate::schema::key::canonical;
use crate::schema::{Crr, Key};
use crate::sql::{self, Part, quoted};
use crate::sqlite::Statement;
use std::cmp::Ordering;

/// So many rows make a statement. More save little.
const ROWS: usize = 16;

/// A statement has at most so many parameters, below the lowest limit in use (999).
const PARAMETERS_MAX: usize = 900;

/// So many rows wait for being put in order at most, and so many values of them.
const ROWS_IN_ORDER: usize = 1 << 14;
const VALUES_IN_ORDER: usize = 1 << 17;

/// Rows are near each other if they are that in the order of their keys, where so many make a neighbourhood, and not more than
/// so many rows came since another of it.
const NEIGHBOURS: usize = 8;
const NEAR: usize = 128;

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
    values: Vec<ValueRef<'a>>,
    /// The keys in packed form, one behind the other
    packed: Vec<u8>,
}

/// How many rows wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// As many as one statement takes
    Statement(usize),
    /// As many as are put in order
    Order,
}

/// A row in its first life whose cells were all written once, one seq after the other.
#[derive(Debug)]
struct Waiting {
    /// Where its key ends in `packed`
    key_end: usize,
    site: usize,
    version: DbVersion,
    seq: Seq,
}

impl Waiting {
    /// What comes before the key in the order of rows that stay as they were inserted: the transactions follow each other
    /// in the log, and in each the rows of one author, which share entries.
    fn in_log(&self) -> (DbVersion, usize) {
        (self.version, self.site)
    }
}

impl<'a> Batch<'a> {
    /// One of as many rows as one statement takes, for those who count the time.
    pub(in crate::apply) fn short() -> Batch<'a> {
        Batch {
            is_short: true,
            ..Batch::default()
        }
    }

    /// Whether no more are to wait.
    fn is_full(&self, limit: Limit) -> bool {
        match limit {
            Limit::Statement(rows) => self.rows.len() >= rows,
            Limit::Order => {
                self.rows.len() >= ROWS_IN_ORDER || self.values.len() >= VALUES_IN_ORDER
            }
        }
    }

    /// The places of those that wait, in the order of their keys. That of the log comes before it where the rows stay in
    /// the order in which they were inserted, so that they stand in that of the log.
    fn in_order(&self, has_rowid: bool) -> Vec<usize> {
        let key = |place: u32| self.key(place as usize);
        let mut of_log: Vec<(DbVersion, usize)> = match has_rowid {
            true => self.rows.iter().map(Waiting::in_log).collect(),
            false => Vec::new(),
        };
        of_log.sort_unstable();
        of_log.dedup();
        // Sorted are small things: where the rows come in the log, the beginnings of their keys, and their places for where
        // these are equal.
        let mut order: Vec<(u32, u32, u64)> = (0..)
            .zip(&self.rows)
            .map(|(place, row)| {
                let rank = of_log.partition_point(|of| *of < row.in_log()) as u32;
                let (class, beginning) = key(place).first().map_or((0, 0), beginning);
                (rank * CLASSES + class, place, beginning)
            })
            .collect();
        let by_key = |a: &(u32, u32, u64), b: &(u32, u32, u64)| {
            (a.0, a.2).cmp(&(b.0, b.2)).then_with(|| {
                let mut pairs = key(a.1).iter().zip(key(b.1));
                let differing = pairs.find_map(|(a, b)| {
                    Some(a.merge_order(*b)).filter(|order| *order != Ordering::Equal)
                });
                differing.unwrap_or_else(|| a.1.cmp(&b.1))
            })
        };
        if !order.is_sorted_by(|a, b| by_key(a, b) == Ordering::Less) {
            order.sort_unstable_by(by_key);
        }
        order
            .into_iter()
            .map(|(_, place, _)| place as usize)
            .collect()
    }

    /// Whether most rows come soon after others that are near them in this order: then it saves no time to insert them in
    /// it, and who has known rows to look up finds them quicker in the order in which they come.
    fn are_near(&self, order: &[usize]) -> bool {
        let mut neighbourhoods = vec![0; order.len()];
        for (rank, place) in order.iter().enumerate() {
            neighbourhoods[*place] = rank / NEIGHBOURS;
        }
        let mut latest = vec![None; order.len().div_ceil(NEIGHBOURS)];
        let is_near = |(place, neighbourhood): (usize, &usize)| {
            let before: Option<usize> = latest[*neighbourhood].replace(place);
            before.is_some_and(|before| place - before <= NEAR)
        };
        let are_near = neighbourhoods.iter().enumerate().map(is_near);
        2 * are_near.filter(|is_near| *is_near).count() > order.len()
    }

    /// The places of those that wait in the order in which they are logged, which keeps that of the transactions: that in
    /// which they were inserted where it does, and else that in which they came.
    fn in_log_order(&self, inserted: Vec<usize>, has_rowid: bool) -> Vec<usize> {
        let of = |place: usize| {
            let row = self.rows.get(place);
            row.map(|row| (row.version, (!has_rowid).then_some(row.site)))
        };
        let is_kept = |(place, inserted): (usize, &usize)| of(place) == of(*inserted);
        match inserted.iter().enumerate().all(is_kept) {
            true => inserted,
            false => self.as_they_came(),
        }
    }

    fn as_they_came(&self) -> Vec<usize> {
        (0..self.rows.len()).collect()
    }

    fn push(&mut self, key: &Key, row: &RowView<'_, 'a>) {
        if self.rows.is_empty() {
            (self.group, self.table) = (row.group, row.table);
            self.key_columns = row.key.len();
            self.columns.clear();
            self.columns.extend_from_slice(row.columns);
            self.values.clear();
            self.packed.clear();
        }
        if let Key::Packed(packed) = key {
            self.packed.extend_from_slice(packed);
        }
        self.values.extend_from_slice(row.key);
        self.values.extend(row.cells.iter().map(|cell| cell.value));
        self.rows.push(Waiting {
            key_end: self.packed.len(),
            site: row.site,
            version: row.version,
            seq: row.cells.first().map(|cell| cell.seq).unwrap_or_default(),
        });
    }

    /// The values of the row at this place: those of the key as it came, and those of the cells.
    fn values(&self, place: usize) -> (&[ValueRef<'a>], &[ValueRef<'a>]) {
        let width = self.key_columns + self.columns.len();
        let of_row = self.values.get(place * width..(place + 1) * width);
        let split = of_row.and_then(|values| values.split_at_checked(self.key_columns));
        split.unwrap_or_default()
    }

    /// The packed key of the row at this place.
    fn packed(&self, rows: &[Waiting], place: usize) -> &[u8] {
        let end = |place: usize| rows.get(place).map_or(0, |row| row.key_end);
        let start = place.checked_sub(1).map_or(0, end);
        self.packed.get(start..end(place)).unwrap_or_default()
    }

    fn key(&self, place: usize) -> &[ValueRef<'a>] {
        self.values(place).0
    }

    /// The row at this place, as it came but for its seqs, which count up from there; `cells` is memory for its cells.
    fn row<'r>(
        &'r self,
        (place, row): (usize, &Waiting),
        seq: Seq,
        cells: &'r mut Vec<CellRead<'a>>,
    ) -> RowView<'r, 'a> {
        let (key, values) = self.values(place);
        cells.clear();
        cells.extend((0..).zip(values).map(|(offset, value)| CellRead {
            version: ColumnVersion::FIRST,
            seq: seq.plus(offset),
            value: *value,
        }));
        RowView {
            group: self.group,
            table: self.table,
            columns: &self.columns,
            site: row.site,
            version: row.version,
            seq,
            cl: CausalLength::FIRST_LIFE,
            key,
            cells,
        }
    }
}

/// So many classes of values there are.
const CLASSES: u32 = 5;

/// The class of a value, and a number that is smaller for values of a class that stand before others in an index, or equal.
fn beginning(value: &ValueRef<'_>) -> (u32, u64) {
    let of_bytes = |bytes: &[u8]| {
        let mut first = [0; 8];
        for (place, byte) in first.iter_mut().zip(bytes) {
            *place = *byte;
        }
        u64::from_be_bytes(first)
    };
    match value {
        ValueRef::Null => (0, 0),
        ValueRef::Integer(integer) => (1, integer.wrapping_sub(i64::MIN) as u64),
        // Beside integers they may stand anywhere: these are rare, and the order only saves time.
        ValueRef::Real(_) => (2, 0),
        ValueRef::Text(text) => (3, of_bytes(text)),
        ValueRef::Blob(blob) => (4, of_bytes(blob)),
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
    let refusal = if crr.is_strict { "ABORT" } else { "FAIL" };
    let parts = [
        ("refusal", Part::Sql(refusal)),
        ("columns", Part::Sql(&columns)),
        ("rows", Part::Sql(&rows)),
    ];
    crr.row_sql(sql::ROW_INSERT_BATCH, &parts)
}

/// A whole row that was inserted, for the log.
pub(super) struct NewRow<'r> {
    pub(super) key: &'r Key,
    /// How many cells it has
    pub(super) cells: usize,
    /// The place of its author in the header
    pub(super) site: usize,
    pub(super) version: DbVersion,
    /// The first seq, if it is still free
    pub(super) seq: Seq,
}

/// What became of rows that waited.
struct Inserted {
    /// For each whether it was inserted
    are_in: Vec<bool>,
    /// Their places in the order in which what is left to do is done
    order: Vec<usize>,
}

impl Target {
    /// The places of rows that are likely new, in the order in which they are inserted.
    fn order_of(&mut self, batch: &Batch<'_>, crr: &Crr) -> Vec<usize> {
        if crr.rowid_names.is_empty() {
            return batch.in_order(false);
        }
        // So few need few pages in any order.
        let are_few = batch.rows.len() <= rows_at_once(crr);
        if are_few || self.keeps_order {
            return batch.as_they_came();
        }
        let order = batch.in_order(true);
        self.keeps_order = batch.are_near(&order);
        match self.keeps_order {
            true => batch.as_they_came(),
            false => order,
        }
    }
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
        let Some((key, limit)) = self.waiting_key(row, batch.is_short)? else {
            self.flush(batch)?;
            return self.merge(row);
        };
        batch.push(&key, row);
        match batch.is_full(limit) {
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
        let outcome = match targets.get_mut(batch.group) {
            Some(Some(target)) => self.insert_batch(target, batch),
            _ => Ok(Inserted {
                are_in: Vec::new(),
                order: batch.as_they_came(),
            }),
        };
        let crr = targets
            .get(batch.group)
            .and_then(|target| target.as_ref()?.crr.clone());
        self.targets = targets;
        let Inserted { are_in, order } = outcome?;
        let rows = std::mem::take(&mut batch.rows);
        let mut cells = Vec::new();
        let mut key = Key::Packed(Vec::new());
        // The seqs stay in the order in which they came.
        let seqs = rows.iter().map(|row| row.seq);
        for (place, seq) in order.into_iter().zip(seqs) {
            let row = &rows[place];
            match &crr {
                Some(crr) if are_in.get(place) == Some(&true) => {
                    self.state.flush_held()?;
                    if let Key::Packed(packed) = &mut key {
                        packed.clear();
                        packed.extend_from_slice(batch.packed(&rows, place));
                    }
                    let new = NewRow {
                        key: &key,
                        cells: batch.columns.len(),
                        site: row.site,
                        version: row.version,
                        seq,
                    };
                    self.log_new(crr, &new)?;
                }
                _ => self.merge(&batch.row((place, row), seq, &mut cells))?,
            }
        }
        Ok(())
    }

    /// The key of a row that may wait, and for how many others: one that will most likely be new and may be inserted with
    /// them, or known and looked up with them.
    fn waiting_key(
        &mut self,
        row: &RowView<'_, '_>,
        is_short: bool,
    ) -> Result<Option<(Key, Limit)>> {
        let Some(first) = row.cells.first() else {
            return Ok(None);
        };
        let is_first = |(offset, cell): (u64, &CellRead<'_>)| {
            cell.version == ColumnVersion::FIRST && cell.seq == first.seq.plus(offset)
        };
        let mut cells = (0..).zip(row.cells);
        if row.cl != CausalLength::FIRST_LIFE || !cells.all(is_first) {
            return Ok(None);
        }
        let Some(Some(target)) = self.targets.get(row.group) else {
            return Ok(None);
        };
        let Some(crr) = &target.crr else {
            return Ok(None);
        };
        if target.is_out_of_order() && self.keeps_equal && !is_short {
            return Ok(Some((self.key(crr, row.key)?, Limit::Order)));
        }
        if !target.takes_batches() {
            return Ok(None);
        }
        let mut values = row.key.iter().zip(&crr.key_columns);
        let rows = rows_at_once(crr);
        if rows == 0 || !values.all(|(value, column)| is_stored_form(*value, column.affinity)) {
            return Ok(None);
        }
        if self.is_own(row.site) {
            return Ok(None);
        }
        let key = self.key(crr, row.key)?;
        let limit = match target.takes_many && !target.keeps_order && !is_short {
            true => Limit::Order,
            false => Limit::Statement(rows),
        };
        let epoch = self.state.epoch();
        if let Some(held) = self.state.take_held(crr, &key)? {
            self.state.hold(held, epoch);
            return Ok(None);
        }
        Ok(match self.state.find_clock(crr, &key)? {
            None => Some((key, limit)),
            Some(_) => None,
        })
    }

    /// Inserts those that wait as far as they are new, by statements of many rows.
    fn insert_batch(&mut self, target: &mut Target, batch: &Batch<'_>) -> Result<Inserted> {
        let mut are_in = vec![false; batch.rows.len()];
        let Some(crr) = target.crr.clone() else {
            let order = batch.as_they_came();
            return Ok(Inserted { are_in, order });
        };
        let has_rowid = !crr.rowid_names.is_empty();
        if !target.takes_batches() {
            let order = batch.in_order(has_rowid);
            return Ok(Inserted { are_in, order });
        }
        let order = target.order_of(batch, &crr);
        let (mut statements, mut refusals) = (0, 0);
        for places in order.chunks_exact(rows_at_once(&crr).max(1)) {
            let count = self.insert_at_once(target, &crr, batch, places)?;
            for place in &places[..count] {
                are_in[*place] = true;
            }
            statements += 1;
            refusals += usize::from(count < places.len());
            if refusals > REFUSALS + statements / 2 || target.is_refusing_batches {
                break;
            }
        }
        target.takes_many = refusals == 0;
        let order = batch.in_log_order(order, has_rowid);
        Ok(Inserted { are_in, order })
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
        let values = places.iter().flat_map(|place| {
            let (key, cells) = batch.values(*place);
            let key = key.iter().zip(&crr.key_columns);
            let key = key.map(|(value, column)| canonical(*value, column.affinity));
            key.chain(cells.iter().copied())
        });
        let inserted = match insert.run(values) {
            Ok(changed) => changed,
            // A row that is refused ends the statement, and the count is that of the rows that are in. It may be there, and
            // what came may lose to it.
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
    pub(super) fn log_new(&mut self, crr: &Crr, new: &NewRow<'_>) -> Result<()> {
        let state = self.state;
        state.take_note(crr.id, new.key);
        self.has_written_known = true;
        let site = self.ordinal(new.site)?;
        let count = new.cells as i64;
        self.won += count;
        self.events += count;
        let at = state.keep(state.plan_merged(new.version, new.seq, 1)?);
        state.pass(at, crr.insert_stride());
        state
            .log_first_insert(crr, new.key, at, site)
            .inspect_err(|_| state.doom())
    }
}
