//! The logical state of one row: its causal length, and its cells with their versions.
//!
//! This is the one place that says which cells of a row have a version. What is local to a replica (log
//! positions, sites, ids) is no part of it.

use super::State;
use crate::crdt::change::{CausalLength, ColumnVersion};
use crate::crdt::clock::{Base, RowClock};
use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;
use crate::schema::crr::slot;
use crate::schema::{Crr, Key, late};
use crate::sql;

/// A cell: its index in `Crr::columns`, its version, its value.
pub type Cell<V> = (usize, ColumnVersion, V);

/// The state of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowState {
    /// How often it was created or deleted
    pub cl: CausalLength,
    /// The cells that have a version; none of a deleted row
    pub cells: Vec<Cell<Value>>,
}

/// The cells of a live row that have a version, in the order of `Crr::columns`. `clock` is its record;
/// `value` gives what the table holds in a column.
pub fn live_cells<'v>(
    crr: &Crr,
    clock: Option<&RowClock>,
    value: impl Fn(usize) -> ValueRef<'v>,
) -> Vec<Cell<ValueRef<'v>>> {
    let columns = crr.columns.iter().enumerate();
    columns
        .filter_map(|(index, column)| {
            let value = value(index);
            let is_first = clock.is_none_or(|clock| {
                clock.base == Base::Pristine && clock.column_site(column.id).is_none()
            });
            // A pristine row that holds the default of a late column was there before the column.
            if is_first
                && column
                    .late
                    .as_ref()
                    .is_some_and(|default| late::holds(value, default))
            {
                return None;
            }
            let version = match clock {
                None => ColumnVersion::FIRST,
                Some(clock) => clock.column_version(column.id)?,
            };
            Some((index, version, value))
        })
        .collect()
}

impl State {
    /// Whether the row with these key values is in the table.
    pub fn row_exists(&self, crr: &Crr, key: &[Value]) -> Result<bool> {
        let text = || crr.row_sql(sql::ROW_EXISTS, &[]);
        crr.statements
            .with(slot::ROW_EXISTS, self.store.connection, text, |find| {
                let found = find.first(key.iter().map(Value::as_ref), |_| ())?;
                Ok(found.is_some())
            })
    }

    /// The state of a row; none if it was never heard of, or if it should be in the table and is not.
    pub fn row_state(&self, crr: &Crr, key: &Key) -> Result<Option<RowState>> {
        let clock = self.find_clock(crr, key)?;
        if let Some(clock) = &clock
            && !clock.cl.is_live()
        {
            return Ok(Some(RowState {
                cl: clock.cl,
                cells: Vec::new(),
            }));
        }
        let values = crr.key_values(key)?;
        let text = || crr.row_get_sql();
        crr.statements
            .with(slot::ROW_GET, self.store.connection, text, |get| {
                get.first(values.iter().map(Value::as_ref), |row| RowState {
                    cl: clock
                        .as_ref()
                        .map_or(CausalLength::FIRST_LIFE, |clock| clock.cl),
                    cells: live_cells(crr, clock.as_ref(), |index| row.value(index))
                        .into_iter()
                        .map(|(index, version, value)| (index, version, value.to_owned()))
                        .collect(),
                })
            })
    }
}
