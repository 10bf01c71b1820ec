//! Whether rows fit the table, and the statements that write them.

use super::Merging;
use crate::apply::incoming;
use crate::crdt::value::{Value, ValueRef, is_stored_form};
use crate::error::{Error, Result};
use crate::schema::crr::SetUse;
use crate::schema::key::canonical;
use crate::schema::{Crr, Key};
use crate::sql::{self, quoted};
use crate::state::State;

impl Merging<'_> {
    /// The key as this table stores it.
    pub(super) fn key(&self, crr: &Crr, values: &[ValueRef<'_>]) -> Result<Key> {
        let refusal = |reason: &str| Err(incoming::key_refusal(&crr.name, reason));
        if values.len() != crr.key_columns.len() {
            let (found, expected) = (values.len(), crr.key_columns.len());
            return refusal(&format!("it has {found} values for {expected} key columns"));
        }
        let mut is_as_stored = true;
        for (value, column) in values.iter().zip(&crr.key_columns) {
            if matches!(value, ValueRef::Null) {
                return refusal(&format!("{} can't be NULL", quoted(&column.name)));
            }
            is_as_stored &= is_stored_form(*value, column.affinity);
        }
        let stored: Vec<Value>;
        let key = if is_as_stored {
            rowid_of(crr, values.first().copied())?;
            crr.key_of_values(values.iter().copied())?
        } else {
            stored = values
                .iter()
                .zip(&crr.key_columns)
                .map(|(value, column)| {
                    self.state
                        .store
                        .with_affinity(ValueRef::to_owned(*value), column.affinity)
                })
                .collect::<Result<_>>()?;
            rowid_of(crr, stored.first().map(Value::as_ref))?;
            crr.key_of_values(stored.iter().map(Value::as_ref))?
        };
        Ok(key)
    }
}

/// Whether something stands there twice.
pub(super) fn has_doubled<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut sorted: Vec<T> = items.collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// Stops a row that names a column twice.
pub(super) fn check_distinct<'a>(crr: &Crr, names: impl Iterator<Item = &'a str>) -> Result<()> {
    match has_doubled(names.map(str::to_ascii_lowercase)) {
        false => Ok(()),
        true => Err(Error::Change(format!(
            "a row names a column of table {} twice",
            quoted(&crr.name)
        ))),
    }
}

/// Stops a key that is no rowid where there must be one.
fn rowid_of(crr: &Crr, value: Option<ValueRef<'_>>) -> Result<()> {
    match value {
        Some(ValueRef::Integer(_)) => Ok(()),
        _ if !crr.is_rowid_keyed => Ok(()),
        _ => {
            let names = sql::join(", ", crr.key_names().map(quoted));
            Err(incoming::key_refusal(
                &crr.name,
                &format!("{names} must be an INTEGER"),
            ))
        }
    }
}

/// Runs `work` with the values of a key as the table stores them. `came` are those values, where they came so.
pub(super) fn with_key_values<T>(
    crr: &Crr,
    came: &[ValueRef<'_>],
    key: &Key,
    work: impl FnOnce(&[ValueRef<'_>]) -> Result<T>,
) -> Result<T> {
    if let Key::Rowid(rowid) = key {
        return work(&[ValueRef::Integer(*rowid)]);
    }
    if let ([value], [column]) = (came, &crr.key_columns[..])
        && is_stored_form(*value, column.affinity)
    {
        return work(&[canonical(*value, column.affinity)]);
    }
    let all = came.iter().zip(&crr.key_columns);
    let mut checked = all.clone();
    if checked.all(|(value, column)| is_stored_form(*value, column.affinity)) {
        let values: Vec<ValueRef<'_>> = all.map(|(v, c)| canonical(*v, c.affinity)).collect();
        return work(&values);
    }
    let values = crr.key_values(key)?;
    let values: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    work(&values)
}

/// Runs the statement for a set of columns; false if it changed nothing.
pub(super) fn run_set<'v>(
    state: &State,
    crr: &Crr,
    set_use: SetUse,
    columns: &[usize],
    slot: Option<usize>,
    values: impl Iterator<Item = ValueRef<'v>>,
) -> Result<bool> {
    let connection = state.store.connection;
    let text = || crr.set_sql(set_use, columns);
    let changed = match slot {
        Some(slot) => crr
            .writes
            .with(slot, connection, text, |statement| statement.run(values)),
        None => connection
            .prepare(&text())
            .and_then(|mut statement| statement.run(values)),
    };
    let changed = changed
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))?;
    Ok(changed > 0)
}
