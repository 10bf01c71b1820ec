//! New rows, inserted several at a time: much of the time of an insert is that of the statement around it.
//!
//! ```text
//! row --whole, first life, no record, the row before was new--> waits
//! so many wait: one INSERT --all are in---------------------------------> log entries, in their order
//!                          --row n is there already, or is refused------> log entries of those before it;
//!                                                                         n and the rest are merged one by one
//! another row or the end: those that wait are merged one by one
//! ```
//! Only where no trigger fires: none may see, or make, a row between two of them.

use super::{Merging, Target};
use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion};
use crate::crdt::changeset::{CellRead, RowView};
use crate::crdt::value::{ValueRef, is_stored_form};
use crate::error::{Error, Result};
use crate::schema::key::canonical;
use crate::schema::{Crr, Key};
use crate::sql::{self, Part, quoted};
use crate::sqlite::Statement;

/// So many rows make a statement. More save little.
const ROWS: usize = 16;

/// A statement has at most so many parameters, below the lowest limit in use (999).
const PARAMETERS_MAX: usize = 900;

/// Rows that wait, all of one group of a chunk.
#[derive(Default)]
pub(in crate::apply) struct Batch<'a> {
    rows: Vec<Waiting>,
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
        if batch.rows.len() < rows {
            return Ok(());
        }
        self.insert_batch(batch)
    }

    /// Merges what waits.
    pub(in crate::apply) fn flush(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        let rows = std::mem::take(&mut batch.rows);
        self.merge_from(batch, &rows, 0)
    }

    /// Merges those that wait from a place on, one by one.
    fn merge_from(&mut self, batch: &Batch<'_>, rows: &[Waiting], first: usize) -> Result<()> {
        for (place, row) in rows.iter().enumerate().skip(first) {
            self.merge(&batch.row(place, row))?;
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

    /// Inserts all that wait by one statement, as far as they are new.
    fn insert_batch(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        let rows = std::mem::take(&mut batch.rows);
        let mut targets = std::mem::take(&mut self.targets);
        let outcome = match targets.get_mut(batch.group) {
            Some(Some(target)) => self.insert_into(target, batch, &rows),
            _ => Ok(0),
        };
        self.targets = targets;
        let inserted = outcome?;
        self.merge_from(batch, &rows, inserted)
    }

    fn insert_into(
        &mut self,
        target: &mut Target,
        batch: &Batch<'_>,
        rows: &[Waiting],
    ) -> Result<usize> {
        let Some(crr) = target.crr.clone() else {
            return Ok(0);
        };
        if let Some(finder) = &mut target.rows {
            finder.stop();
        }
        let connection = self.state.store.connection;
        let insert: &mut Statement = match &mut target.batch {
            Some(insert) => insert,
            none => match connection.prepare_persistent(&insert_sql(&crr, rows.len())) {
                Ok(insert) => none.insert(insert),
                // The application may have lowered the limits of SQLite so far that only single rows fit.
                Err(error) if error.is_about_statement() => {
                    target.is_refusing_batches = true;
                    return Ok(0);
                }
                Err(error) => return Err(error),
            },
        };
        let views = rows
            .iter()
            .enumerate()
            .map(|(place, row)| batch.row(place, row));
        let values = views.flat_map(|view| {
            let key = view.key.iter().zip(&crr.key_columns);
            let key = key.map(|(value, column)| canonical(*value, column.affinity));
            let cells = view.cells.iter().map(|cell| cell.value);
            key.chain(cells)
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
        let inserted = usize::try_from(inserted)
            .unwrap_or_default()
            .min(rows.len());
        for (place, row) in rows.iter().enumerate().take(inserted) {
            self.log_new(&crr, &row.key, &batch.row(place, row))?;
        }
        Ok(inserted)
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
