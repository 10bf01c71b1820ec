//! Ordered lists by fractional indexing: each row has a position, a text, and between any two positions there is
//! another, so that a row is moved by writing that one row. `key` is the arithmetic, `objects` the view and
//! the triggers that use it, `installed` and `suspend` see to it that they are there.

mod foreign;
pub mod installed;
pub mod key;
pub mod objects;
pub mod ordering;
pub mod suspend;

use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::inspect::{DeclaredColumn, DeclaredTable};
use crate::sql::{self, Part, quoted};
use crate::sqlite::value::Arguments;
use crate::state::State;
use installed::Installed;
use key::Position;
use ordering::Ordering;
use std::rc::Rc;

fn usage<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Usage(text.into()))
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// `crsql_fract_as_ordered(table, order_column [, list_column ...])` -> NULL
///
/// Makes `order_column` the position of a row in its list. The rows with the same values in the list columns
/// are one list (NULL is a value like others here); without list columns the table is one list. From then on
///
/// - `INSERT` and `UPDATE` with -1 in the order column put a row at the list's beginning, with 1 at its end;
/// - the view `<table>_fractindex` has the columns of the table and `after_<key column>` for each column of
///   its key: an `INSERT` into it puts the row after that one, an `UPDATE` that mentions these columns moves
///   it there; NULL, or a row of another list, is the beginning.
///
/// Other values in the order column stay as they are. Called again it makes the view for the columns that are
/// there by now, and the lists by the columns named now. An index on the list columns and the order column
/// makes it fast.
///
/// Errors: fewer than two names, names that are no texts; no such table or column, no primary key, a column
/// named twice or generated, the order column in the key, a column of the name `after_<key column>`, something
/// else of the view's name.
///
/// ```sql
/// CREATE TABLE todo (id INTEGER PRIMARY KEY, list INTEGER, position TEXT, title TEXT);
/// SELECT crsql_fract_as_ordered('todo', 'position', 'list');
/// INSERT INTO todo VALUES (1, 9, 1, 'last'), (2, 9, -1, 'first');
/// INSERT INTO todo_fractindex (id, list, title, after_id) VALUES (3, 9, 'between', 2);
/// UPDATE todo_fractindex SET after_id = 1 WHERE id = 2;
/// SELECT title FROM todo WHERE list = 9 ORDER BY position, id;
/// ```
pub fn as_ordered(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    const USAGE: &str = "call crsql_fract_as_ordered('table', 'order column', 'list column', ...)";
    if arguments.len() < 2 {
        return usage(USAGE);
    }
    let Some(mut names) = arguments.iter().map(text).collect::<Option<Vec<_>>>() else {
        return usage(format!(
            "the names of a table and of its columns must be texts; {USAGE}"
        ));
    };
    let table = names.remove(0);
    let outcome = state.store.atomically(|| {
        let connection = state.store.connection;
        let declared = ordering::declared_table(connection, &table)?;
        suspend::order(state, &Ordering::new(connection, declared, &names)?)
    });
    outcome.map_err(|error| error.during(format_args!("ordering table {}", quoted(&table))))?;
    Ok(Value::Null)
}

/// `crsql_fract_key_between(low, high)` -> TEXT
///
/// A position that sorts (by bytes) after `low` and before `high`, each a position or NULL for an open end. The
/// same for equal arguments. Errors: what is neither a position nor NULL, and positions that are equal or
/// in the wrong order.
///
/// ```sql
/// SELECT crsql_fract_key_between(NULL, NULL); -- 'a '
/// SELECT crsql_fract_key_between('a ', 'a!'); -- 'a P'
/// ```
pub fn key_between(_state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    const USAGE: &str =
        "call crsql_fract_key_between(low, high) with positions, or NULL for an open end";
    if arguments.len() != 2 {
        return usage(USAGE);
    }
    let (low, high) = (arguments.get(0), arguments.get(1));
    match key::between(position(low)?, position(high)?) {
        Some(between) => Ok(Value::Text(between.into_bytes())),
        None => usage(format!(
            "there is no position between {} and {}: the first must be the lower one; {USAGE}",
            shown(low),
            shown(high)
        )),
    }
}

fn position(value: ValueRef<'_>) -> Result<Option<Position<'_>>> {
    let fault = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(text) => match Position::parse(text) {
            Ok(position) => return Ok(Some(position)),
            Err(fault) => fault.to_string(),
        },
        _ => "a position is a text".to_owned(),
    };
    usage(format!(
        "{} is no position in an ordered list: {fault}; write 1 (the end) or -1 (the beginning) to the order column \
         of its row to give it one",
        shown(value)
    ))
}

fn shown(value: ValueRef<'_>) -> String {
    sql::value_literal(value)
}

/// `crsql_fract_fix_conflict_return_old_key(table, order_column, list_column ..., -1, key_column ..., key_value ...)` -> TEXT
///
/// Moves a row a little down in its list, to make room between it and others at the same position, and gives
/// the position that it had; NULL if there is no such row. It is there for views that cr-sqlite made, whose
/// triggers call it; those made here don't. Errors: a table that is not ordered, columns that it does not
/// have or that are not its key, other arguments, and a row that has no position.
pub fn fix_conflict(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    const USAGE: &str = "call crsql_fract_fix_conflict_return_old_key('table', 'order column', 'list column', ..., \
                         -1, 'key column', ..., key value, ...)";
    let names: Vec<String> = arguments.iter().map_while(text).collect();
    let key = arguments.from(names.len() + 1);
    let is_separated = arguments.get(names.len()) == ValueRef::Integer(-1);
    let columns = key.len() / 2;
    if names.len() < 2 || !is_separated || key.is_empty() || !key.len().is_multiple_of(2) {
        return usage(USAGE);
    }
    let Some(key_names) = key
        .take(columns)
        .iter()
        .map(text)
        .collect::<Option<Vec<_>>>()
    else {
        return usage(USAGE);
    };
    let connection = state.store.connection;
    let (table, names) = (&names[0], &names[1..]);
    let declared = ordering::declared_table(connection, table)?;
    if Installed::of_table(connection, &declared.name)?
        .stems
        .is_empty()
    {
        return Err(Error::Table(format!(
            "table {} is not ordered; call crsql_fract_as_ordered first",
            quoted(table)
        )));
    }
    let is_row = key_condition(&declared, &key_names)?;
    let ordering = Ordering::new(connection, declared, names)?;
    move_down(state, &ordering, &is_row, key.from(columns))
}

/// The condition that a row has the key in the parameters from 2 on.
fn key_condition(table: &DeclaredTable, names: &[String]) -> Result<String> {
    let key = table.key_columns();
    let named: Vec<_> = names
        .iter()
        .filter_map(|name| {
            key.iter()
                .find(|column| column.name.eq_ignore_ascii_case(name))
        })
        .collect();
    let is_missing = |column: &&DeclaredColumn| !named.iter().any(|key| key.name == column.name);
    if named.len() != names.len() || named.len() != key.len() || key.iter().any(is_missing) {
        return Err(Error::Table(format!(
            "the key of table {} is ({}); name these columns",
            quoted(&table.name),
            sql::join(", ", key.iter().map(|column| quoted(&column.name)))
        )));
    }
    let terms = named.iter().zip(2..).map(|(column, parameter)| {
        objects::key_term(column, &quoted(&column.name), &format!("?{parameter}"))
    });
    Ok(sql::join(" AND ", terms))
}

fn move_down(
    state: &State,
    ordering: &Ordering,
    is_row: &str,
    key: Arguments<'_>,
) -> Result<Value> {
    let connection = state.store.connection;
    let below = objects::below_row(ordering);
    let parts = [
        ("table", Part::Name(&ordering.table.name)),
        ("order", Part::Name(&ordering.order)),
        ("below", Part::Sql(&below)),
        ("is_row", Part::Sql(is_row)),
    ];
    let with_key = |position| std::iter::once(position).chain(key.iter());
    let places = connection
        .prepare(&sql::fill(sql::FRACT_PLACE, &parts))?
        .first(with_key(ValueRef::Null), |row| {
            [row.value(0).to_owned(), row.value(1).to_owned()]
        })?;
    let Some([old, below]) = places else {
        return Ok(Value::Null);
    };
    let Some(high) = position(old.as_ref())? else {
        return Err(Error::Table(format!(
            "the row of table {} has NULL for its position; write 1 or -1 to its column {}",
            quoted(&ordering.table.name),
            quoted(&ordering.order)
        )));
    };
    let moved = key::between(position(below.as_ref())?, Some(high));
    let moved = moved
        .ok_or_else(|| Error::Internal("the position below a position is not lower".to_owned()))?;
    let update = sql::fill(sql::FRACT_SET_POSITION, &parts);
    let moved = ValueRef::Text(moved.as_bytes());
    connection.keeping_last_insert_rowid(|| connection.prepare(&update)?.run(with_key(moved)))?;
    Ok(old)
}
