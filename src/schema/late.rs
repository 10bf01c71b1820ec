//! Late columns: added to a table that had rows.
//!
//! `ADD COLUMN` writes nothing, so the rows of then hold the column's default and nobody wrote those cells:
//! they are *unset*. A pristine row is known to have been there by the default that it still holds: a row that
//! is inserted later and holds the default gets a record which says that its cells are set.

use super::inspect::{DeclaredColumn, DeclaredTable};
use crate::crdt::value::{Affinity, Value, ValueRef, whole_integer};
use crate::error::Result;
use crate::sql::{self, Part};
use crate::sqlite::Connection;
use crate::sqlite::scratch::Scratch;

/// Whether a late column still holds what it was filled with. Releases of SQLite differ in what `DEFAULT 1.0`
/// gives to the rows that are there, 1 or 1.0, and a file may be read by several.
pub fn holds(value: ValueRef<'_>, default: &Value) -> bool {
    match (value, default.as_ref()) {
        (ValueRef::Real(real), ValueRef::Integer(integer))
        | (ValueRef::Integer(integer), ValueRef::Real(real)) => {
            whole_integer(real) == Some(integer)
        }
        (value, default) => is_same(value, default),
    }
}

/// Whether two values of one class are equal, as SQLite compares them: 0.0 is -0.0.
pub fn is_same(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Real(a), ValueRef::Real(b)) => a == b,
        (a, b) => a == b,
    }
}

/// What `ADD COLUMN` gave to the rows that were there. SQLite reads the text of a DEFAULT in another way then than
/// for a row that is inserted, so SQLite is asked, in a database of our own: the text comes from the file, and may
/// not call functions of the application.
pub fn filled_with(column: &DeclaredColumn) -> Result<Value> {
    let Some(default) = &column.default else {
        return Ok(Value::Null);
    };
    let scratch = Scratch::open()?;
    let connection = scratch.connection();
    connection.execute(sql::LATE_OLD)?;
    let value = match connection.execute(&with_default(sql::LATE_ADD, column, default)) {
        Ok(()) => value_of(connection, sql::LATE_GET),
        // Not one that `ADD COLUMN` accepts: the table was made anew.
        Err(error) if error.is_about_statement() => made_anew(connection, column, default),
        Err(error) => Err(error),
    };
    match value {
        // What can't be computed here was written row by row.
        Err(error) if error.is_about_statement() => Ok(Value::Null),
        value => value,
    }
}

/// What a row gets that is inserted without a word on this column; none if that can't be computed here.
pub fn inserted_with(connection: Connection, table: &str, column: &str) -> Result<Option<Value>> {
    let declared = DeclaredTable::read(connection, table)?;
    let mut columns = declared.iter().flat_map(|table| &table.columns);
    let Some(column) = columns.find(|declared| declared.name == column) else {
        return Ok(None);
    };
    let Some(default) = &column.default else {
        return Ok(Some(Value::Null));
    };
    let scratch = Scratch::open()?;
    let connection = scratch.connection();
    connection.execute(sql::LATE_OLD)?;
    let value = match connection.execute(&with_default(sql::LATE_ADD, column, default)) {
        Ok(()) => inserted(connection, "old"),
        Err(error) if error.is_about_statement() => made_anew(connection, column, default),
        Err(error) => Err(error),
    };
    match value {
        Err(error) if error.is_about_statement() => Ok(None),
        value => value.map(Some),
    }
}

/// What a row gets in a table that has had the column from the beginning.
fn made_anew(connection: Connection, column: &DeclaredColumn, default: &str) -> Result<Value> {
    connection.execute(&with_default(sql::LATE_NEW, column, default))?;
    inserted(connection, "new")
}

fn inserted(connection: Connection, table: &str) -> Result<Value> {
    let insert = sql::fill(sql::LATE_INSERT, &[("table", Part::Name(table))]);
    value_of(connection, &insert)
}

/// A statement on a table whose column has the affinity and the default of this one.
fn with_default(text: &str, column: &DeclaredColumn, default: &str) -> String {
    let affinity = match column.affinity {
        Affinity::None => "BLOB",
        Affinity::Text => "TEXT",
        Affinity::Numeric => "NUMERIC",
        Affinity::Real => "REAL",
    };
    let parts = [
        ("type", Part::Sql(affinity)),
        ("default", Part::Sql(default)),
    ];
    sql::fill(text, &parts)
}

fn value_of(connection: Connection, query: &str) -> Result<Value> {
    let value = connection
        .prepare(query)?
        .first([], |row| row.value(0).to_owned())?;
    Ok(value.unwrap_or(Value::Null))
}

/// `holds` as an SQL condition on the expression `cell`.
pub fn holds_sql(cell: &str, default: &Value) -> String {
    let classes = match default {
        Value::Null => return format!("{cell} IS NULL"),
        Value::Integer(_) | Value::Real(_) => "IN ('integer', 'real')",
        Value::Text(_) => "= 'text'",
        Value::Blob(_) => "= 'blob'",
    };
    let literal = sql::value_literal(default.as_ref());
    format!("({cell} IS {literal} COLLATE BINARY AND typeof({cell}) {classes})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storage_class_belongs_to_the_default() {
        assert!(holds(ValueRef::Null, &Value::Null));
        assert!(holds(ValueRef::Real(-0.0), &Value::Real(0.0)));
        assert!(holds(ValueRef::Real(1.0), &Value::Integer(1)));
        assert!(holds(ValueRef::Integer(1), &Value::Real(1.0)));
        assert!(!holds(ValueRef::Real(1.5), &Value::Integer(1)));
        assert!(!holds(ValueRef::Integer(1), &Value::Text(b"1".to_vec())));
        assert!(!holds(ValueRef::Blob(b"a"), &Value::Text(b"a".to_vec())));
    }

    #[test]
    fn conditions_are_quoted() {
        assert_eq!(
            holds_sql("NEW.a", &Value::Integer(1)),
            "(NEW.a IS 1 COLLATE BINARY AND typeof(NEW.a) IN ('integer', 'real'))"
        );
        assert_eq!(holds_sql("NEW.a", &Value::Null), "NEW.a IS NULL");
        assert_eq!(
            holds_sql("NEW.a", &Value::Text(b"it's".to_vec())),
            "(NEW.a IS 'it''s' COLLATE BINARY AND typeof(NEW.a) = 'text')"
        );
    }
}
