//! Statements that the schedules pass over, because SQLite itself does not say what they do, or the library leaves it open.

use crate::model::replica::Replica;
use crate::model::schema::{Ddl, Migration};
use crate::model::statement::{Assign, OnConflict, Statement, Targets};
use crate::model::table::Table;
use crate::model::value::Value;
use crate::model::write::integer_key;

pub fn is_undetermined(model: &Replica, statement: &Statement) -> bool {
    leaves_rowid_range(model, statement)
        || is_ambiguously_refused(model, statement)
        || is_seen_incompletely(model, statement)
}

/// Until the first commit after a plain ADD COLUMN, the triggers do not say whether an UPDATE changed the new column. The
/// library then counts a cell that was written before as written again, which is harmless and not worth a model.
fn is_seen_incompletely(model: &Replica, statement: &Statement) -> bool {
    let place = statement.table();
    let table = model.table(place);
    let may_update = matches!(
        statement,
        Statement::Update { .. } | Statement::Upsert { .. }
    );
    let is_uncaptured = |cell: usize| table.uncaptured.contains(&table.cells[cell]);
    // A row that an earlier target moved, and so wrote, may be the next target.
    if may_move_targets(table, statement) && !table.uncaptured.is_empty() {
        return true;
    }
    may_update
        && model.keys(place).iter().any(|key| {
            let cells = model.row(place, key).map_or(&[][..], |row| &row.cells);
            let mut set = cells
                .iter()
                .enumerate()
                .filter(|(_, event)| event.is_some());
            set.any(|(cell, _)| is_uncaptured(cell))
        })
}

/// Does an UPDATE of several rows write their keys?
fn may_move_targets(table: &Table, statement: &Statement) -> bool {
    let Statement::Update { targets, set, .. } = statement else {
        return false;
    };
    let is_one = matches!(targets, Targets::Keys(keys) if keys.len() == 1);
    !is_one && set.iter().any(|(column, _)| table.key.contains(column))
}

/// A column that is dropped and added again inside one alter session may or may not be taken for the old one: nothing tells
/// the end of such a session from its beginning. Nor does anything tell of a name that was given in one, and replaced or
/// taken over by a table that was made anew.
pub fn is_ambiguous(table: &Table, migration: &Migration) -> bool {
    let mut ddl = migration.ddl.iter();
    let is_lost = |ddl: &Ddl| ddl.is_rename() || matches!(ddl, Ddl::Rebuild { .. });
    table.sessions > 0 && ddl.any(|ddl| is_lost(ddl) || table.uses_name_again(ddl))
}

/// A name that is replaced before anybody wrote to the table or merged into it stays unknown: such a table is used once before
/// it gets another name.
pub fn loses_name(table: &Table, migration: &Migration) -> bool {
    table.has_fresh_name && migration.ddl.iter().any(Ddl::is_rename)
}

/// The values that a statement writes, with their columns.
fn written<'a>(statement: &'a Statement) -> Vec<(usize, &'a Value)> {
    let zip =
        |columns: &[usize], row: &'a [Value]| columns.iter().copied().zip(row).collect::<Vec<_>>();
    match statement {
        Statement::Insert { columns, rows, .. } => {
            rows.iter().flat_map(|row| zip(columns, row)).collect()
        }
        Statement::Upsert {
            columns, row, set, ..
        } => {
            let set = set.iter().map(|(column, value)| (*column, value));
            zip(columns, row).into_iter().chain(set).collect()
        }
        Statement::Update { set, .. } => {
            let constant = |(column, assign): &'a (usize, Assign)| match assign {
                Assign::To(value) => Some((*column, value)),
                Assign::Add(_) => None,
            };
            set.iter().filter_map(constant).collect()
        }
        Statement::Delete { .. } => Vec::new(),
    }
}

/// Automatic rowids after the largest one are random; sums beyond the range are no integers.
fn leaves_rowid_range(model: &Replica, statement: &Statement) -> bool {
    let place = statement.table();
    let table = model.table(place);
    if !table.has_rowid_alias() {
        return false;
    }
    let is_near_end = |integer: i64| !(i64::MIN + 100..i64::MAX - 100).contains(&integer);
    let live = model
        .state
        .rows
        .iter()
        .filter(|((of, _), row)| *of == place && row.values.is_some());
    let holds_end = live
        .filter_map(|((_, key), _)| integer_key(key))
        .any(is_near_end);
    if let Statement::Update { set, .. } = statement {
        return holds_end
            && set
                .iter()
                .any(|(_, assign)| matches!(assign, Assign::Add(_)));
    }
    let written = written(statement);
    let rowids = || written.iter().filter(|(column, _)| *column == table.key[0]);
    let writes_end =
        rowids().any(|(_, value)| matches!(value, Value::Integer(number) if is_near_end(*number)));
    rowids().any(|(_, value)| value.bound().is_null()) && (holds_end || writes_end)
}

/// A row of a STRICT table may be refused for its type or for its key; which of the two is looked at first depends on the
/// triggers of the table, and only the second obeys the conflict clause.
fn is_ambiguously_refused(model: &Replica, statement: &Statement) -> bool {
    let table = model.table(statement.table());
    let is_same_either_way = match statement {
        Statement::Insert { conflict, .. } | Statement::Update { conflict, .. } => {
            matches!(conflict, OnConflict::Abort | OnConflict::Replace)
        }
        Statement::Upsert { .. } => false,
        Statement::Delete { .. } => true,
    };
    !is_same_either_way
        && written(statement).into_iter().any(|(column, value)| {
            table.cells.contains(&column)
                && table.columns[column].rule.store(&value.bound()).is_err()
        })
}
