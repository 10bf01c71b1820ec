//! A replicated table that was made anew: created under another name, filled, and renamed.

use super::registration;
use crate::crdt::change::SiteOrdinal;
use crate::crdt::clock::{Base, RowClock};
use crate::error::Result;
use crate::schema::triggers::Phase;
use crate::schema::{Column, Crr, Key, late};
use crate::sql::{self, Part};
use crate::state::State;
use std::rc::Rc;

/// Registers the columns of a table that was made anew. Columns that are new are like added ones, and what
/// they hold beside their default is a write of this database.
pub fn take_over(state: &State, crr: &Crr) -> Result<()> {
    // What its rows hold by now is in no log.
    state.store.forget_tree(crr.id)?;
    state.register(crr, true)?;
    let registered = state.reread(crr)?;
    registration::replace_triggers(state, &registered, Phase::Steady)?;
    record_new_columns(state, crr, &registered)
}

/// Records what the columns that `crr` does not know yet hold beside their defaults.
pub fn record_new_columns(state: &State, crr: &Crr, registered: &Rc<Crr>) -> Result<()> {
    for column in &registered.columns {
        let is_new = crr.column_by_id(column.id).is_none();
        if let Some(default) = column.late.as_ref().filter(|_| is_new) {
            let cell = sql::column_of("t", &column.name);
            let differs = format!("NOT {}", late::holds_sql(&cell, default));
            record_cells(state, registered, column, &differs)?;
        }
    }
    Ok(())
}

/// Records a first write of a column, in the rows of a condition.
fn record_cells(state: &State, crr: &Rc<Crr>, column: &Column, condition: &str) -> Result<()> {
    for key in keys_where(state, crr, condition)? {
        let mut clock = state
            .find_clock(crr, &key)?
            .unwrap_or_else(RowClock::pristine);
        if clock.base == Base::Pristine {
            clock.uncovered = state.late_in_row(crr, &key)?;
            clock.uncovered.push(column.id);
        }
        let version = clock.column_version(column.id).unwrap_or_default().next();
        let at = state.reserve(1)?;
        clock.set_cells(
            at,
            SiteOrdinal::LOCAL,
            std::iter::once((column.id, version)),
        );
        state.save_clock(crr, &key, clock)?;
    }
    Ok(())
}

fn keys_where(state: &State, crr: &Crr, condition: &str) -> Result<Vec<Key>> {
    let columns = sql::join(", ", crr.key_names().map(|name| sql::column_of("t", name)));
    let text = crr.row_sql(
        sql::ROW_KEYS_WHERE,
        &[
            ("key_columns", Part::Sql(&columns)),
            ("condition", Part::Sql(condition)),
        ],
    );
    let mut rows = state.store.connection.prepare(&text)?;
    let mut keys = Vec::new();
    while rows.step()? {
        let values = (0..crr.key_columns.len()).map(|column| rows.value(column));
        keys.push(crr.key_of_values(values)?);
    }
    Ok(keys)
}
