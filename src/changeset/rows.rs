//! The table-valued function `crsql_changeset_rows(changeset)`: the changes in a changeset, as rows of
//! `crsql_changes`.

use crate::crdt::change::{SENTINEL, column};
use crate::crdt::changeset::{Header, Reader, RowView};
use crate::crdt::key as packed_key;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sqlite::query::{Comparison, Query};
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use std::collections::VecDeque;
use std::rc::Rc;

/// The hidden column that the argument stands in.
const CHANGESET: usize = 9;

/// The plan with an argument.
const WITH_CHANGESET: &str = "c";

/// Rows that a changeset is assumed to have.
const ROWS_ESTIMATED: i64 = 1000;

/// `crsql_changeset_rows` on one connection.
pub struct ChangesetRows;

/// One change.
struct Change {
    table: usize,
    pk: Rc<Vec<u8>>,
    /// The column and what it holds; none for a sentinel
    cell: Option<(usize, Value)>,
    column_version: i64,
    version: i64,
    site: usize,
    cl: i64,
    seq: i64,
}

/// The changes of a changeset, those of one chunk at a time.
#[derive(Default)]
pub struct ChangesetRowsCursor {
    reader: Option<Reader<Vec<u8>>>,
    buffer: Vec<u8>,
    changes: VecDeque<Change>,
    rowid: i64,
}

impl Table for ChangesetRows {
    type State = crate::state::State;
    type Cursor = ChangesetRowsCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (\
        \"table\" TEXT, pk BLOB, cid TEXT, val, col_version INTEGER, db_version INTEGER, site_id BLOB, \
        cl INTEGER, seq INTEGER, changeset BLOB HIDDEN)";

    fn connect(_state: &Rc<Self::State>, _definition: &Definition) -> Result<ChangesetRows> {
        Ok(ChangesetRows)
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        let constraints = query.constraints();
        let changeset = constraints.iter().find(|constraint| {
            constraint.column == CHANGESET as i32 && constraint.comparison == Comparison::Equal
        });
        match changeset {
            Some(changeset) => {
                query.use_argument(*changeset);
                query.plan(WITH_CHANGESET);
                query.set_estimate(1000.0, ROWS_ESTIMATED);
            }
            // Worse than any plan that has the changeset, so that joins find one.
            None => query.set_estimate(1e12, i64::MAX),
        }
        Ok(())
    }

    fn open(&self) -> Result<ChangesetRowsCursor> {
        Ok(ChangesetRowsCursor::default())
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_changeset_rows is a function and holds no rows to write to".to_owned())
    }
}

impl Change {
    fn all_of(row: &RowView<'_, '_>) -> Vec<Change> {
        let pk = Rc::new(packed_key::pack(row.key.iter().copied()));
        let change = |cell: Option<(usize, Value)>, column_version: u64, seq: i64| Change {
            table: row.table,
            pk: Rc::clone(&pk),
            cell,
            column_version: column_version as i64,
            version: row.version.to_sql(),
            site: row.site,
            cl: row.cl.to_sql(),
            seq,
        };
        if row.cells.is_empty() {
            return vec![change(None, row.cl.0, row.seq.to_sql())];
        }
        let cells = row.columns.iter().zip(row.cells);
        cells
            .map(|(column, cell)| {
                let holds = Some((*column as usize, cell.value.to_owned()));
                change(holds, cell.version.0, cell.seq.to_sql())
            })
            .collect()
    }

    fn value<'c>(&'c self, column: usize, header: &'c Header) -> ValueRef<'c> {
        let table = header.tables.get(self.table);
        match (column, &self.cell) {
            (column::TABLE, _) => table.map_or(ValueRef::Null, |table| {
                ValueRef::Text(table.name.as_bytes())
            }),
            (column::PK, _) => ValueRef::Blob(&self.pk),
            (column::CID, None) => ValueRef::Text(SENTINEL.as_bytes()),
            (column::CID, Some((place, _))) => table
                .and_then(|table| table.columns.get(*place))
                .map_or(ValueRef::Null, |column| {
                    ValueRef::Text(column.name.as_bytes())
                }),
            (column::VAL, Some((_, value))) => value.as_ref(),
            (column::COL_VERSION, _) => ValueRef::Integer(self.column_version),
            (column::DB_VERSION, _) => ValueRef::Integer(self.version),
            (column::SITE_ID, _) => header
                .sites
                .get(self.site)
                .map_or(ValueRef::Null, |site| ValueRef::Blob(site)),
            (column::CL, _) => ValueRef::Integer(self.cl),
            (column::SEQ, _) => ValueRef::Integer(self.seq),
            _ => ValueRef::Null,
        }
    }
}

impl ChangesetRowsCursor {
    /// Reads chunks until there is a change, or to the end.
    fn fill(&mut self) -> Result<()> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        while self.changes.is_empty() {
            let chunk = reader.next_chunk(&mut self.buffer);
            let Some(mut chunk) = chunk.map_err(Error::changeset)? else {
                return Ok(());
            };
            while let Some(row) = chunk.next_row().map_err(Error::changeset)? {
                self.changes.extend(Change::all_of(&row));
            }
        }
        Ok(())
    }
}

impl Cursor for ChangesetRowsCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        *self = ChangesetRowsCursor::default();
        match (plan_text, arguments.get(0)) {
            (WITH_CHANGESET, ValueRef::Null) => Ok(()),
            (WITH_CHANGESET, ValueRef::Blob(bytes)) => {
                self.reader = Some(Reader::open(bytes.to_vec()).map_err(Error::changeset)?);
                self.fill()
            }
            _ => Err(Error::Usage(
                "crsql_changeset_rows needs a changeset: SELECT * FROM crsql_changeset_rows(changeset)"
                    .to_owned(),
            )),
        }
    }

    fn next(&mut self) -> Result<()> {
        self.rowid += 1;
        self.changes.pop_front();
        self.fill()
    }

    fn is_at_end(&self) -> bool {
        self.changes.is_empty()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let (Some(reader), Some(change)) = (&self.reader, self.changes.front()) else {
            return Ok(());
        };
        context.result(match column {
            CHANGESET => ValueRef::Blob(reader.bytes()),
            _ => change.value(column, reader.header()),
        });
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
