//! Merging whole states of rows, as the messages of `crsql_reconcile` carry them: as changes that nobody has placed in
//! a log yet.

use super::incoming::key_refusal;
use super::parked;
use super::whole::Merging;
use crate::crdt::change::{CausalLength, DbVersion, Position, SITE_ID_BYTES_MAX, Seq};
use crate::crdt::changeset::{
    CellRead, ColumnHeader, Header, KIND_LAST_WRITER_WINS, Part, RowView, TableHeader,
};
use crate::crdt::key as packed_key;
use crate::crdt::message::{SentRow, TableRows};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::state::State;
use std::rc::Rc;

/// What is known of so many sets of columns is kept at a time.
const GROUPS_MAX: usize = 64;

/// Merges the rows of one table. `each` gets every row once it is merged, and what it is here; none if its table is not.
pub fn merge<'t>(
    state: &State,
    table: &'t TableRows,
    mut each: impl FnMut(&'t SentRow, Option<(Rc<Crr>, Key)>) -> Result<()>,
) -> Result<()> {
    if state.is_parked_due()? {
        parked::replay(state)?;
    }
    let mut states = States {
        merging: Merging::new(state, Rc::new(header(table)?))?,
        groups: Vec::new(),
    };
    for row in &table.rows {
        let key = packed_key::unpack(&row.pk).map_err(|defect| {
            key_refusal(&table.table, &format!("it is no packed key, {defect}"))
        })?;
        let key: Vec<ValueRef<'_>> = key.iter().map(Value::as_ref).collect();
        states.merge(row, &key)?;
        each(row, states.merging.identify(&table.table, &key)?)?;
    }
    states.merging.finish();
    Ok(())
}

/// The names that rows refer to.
fn header(table: &TableRows) -> Result<Header> {
    let is_site = |site: &Vec<u8>| (1..=SITE_ID_BYTES_MAX).contains(&site.len());
    if let Some(site) = table.sites.iter().find(|site| !is_site(site)) {
        return Err(Error::Change(format!(
            "a site id in the message has {} bytes, and 1 to {SITE_ID_BYTES_MAX} are possible",
            site.len()
        )));
    }
    let columns = table.columns.iter().map(|name| ColumnHeader {
        name: name.clone(),
        kind: KIND_LAST_WRITER_WINS,
    });
    Ok(Header {
        features: 0,
        site: Vec::new(),
        after: (DbVersion(0), None),
        first: DbVersion(0),
        last: Position::default(),
        part: Part::Whole,
        filter: None,
        sites: table.sites.clone(),
        tables: vec![TableHeader {
            name: table.table.clone(),
            key_columns: 0,
            columns: columns.collect(),
            rows: 0,
            changes: 0,
        }],
        chunks: 0,
    })
}

struct States<'s> {
    merging: Merging<'s>,
    /// Sets of columns, by the number of their group
    groups: Vec<Vec<u32>>,
}

impl States<'_> {
    /// Merges one row: its causal length where its cells do not carry it alone, then the cells of each author.
    fn merge(&mut self, row: &SentRow, key: &[ValueRef<'_>]) -> Result<()> {
        if row.cl.0 == 0 {
            return Err(Error::Change(
                "the causal length of a row in the message is 0".to_owned(),
            ));
        }
        if row.cells.is_empty() || row.cl > CausalLength::FIRST_LIFE {
            self.merge_cells(row, key, row.site, &[], &[])?;
        }
        let mut authors: Vec<usize> = row.cells.iter().map(|cell| cell.site).collect();
        authors.sort_unstable();
        authors.dedup();
        for author in authors {
            let of_author = row.cells.iter().filter(|cell| cell.site == author);
            let (columns, cells): (Vec<u32>, Vec<CellRead<'_>>) = of_author
                .map(|cell| {
                    let read = CellRead {
                        version: cell.version,
                        seq: Seq(0),
                        value: cell.value.as_ref(),
                    };
                    (cell.column as u32, read)
                })
                .unzip();
            self.merge_cells(row, key, author, &columns, &cells)?;
        }
        Ok(())
    }

    fn merge_cells(
        &mut self,
        row: &SentRow,
        key: &[ValueRef<'_>],
        site: usize,
        columns: &[u32],
        cells: &[CellRead<'_>],
    ) -> Result<()> {
        let known = self.groups.iter().position(|known| known == columns);
        let group = known.unwrap_or_else(|| {
            if self.groups.len() == GROUPS_MAX {
                self.groups.clear();
                self.merging.start_chunk();
            }
            self.groups.push(columns.to_vec());
            self.groups.len() - 1
        });
        self.merging.merge(&RowView {
            group,
            table: 0,
            columns,
            site,
            version: DbVersion(0),
            seq: Seq(0),
            cl: row.cl,
            key,
            cells,
        })
    }
}
