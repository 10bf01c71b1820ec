//! Late columns: added to a table that had rows.
//!
//! `ADD COLUMN` writes nothing, so the rows of then hold the column's default and nobody wrote those cells:
//! they are *unset*. A pristine row is known to have been there by the default that it still holds: a row that
//! is inserted later and holds the default gets a record which says that its cells are set.

use crate::crdt::value::{Value, ValueRef};
use crate::sql;

/// Whether a late column still holds what it was filled with.
pub fn holds(value: ValueRef<'_>, default: &Value) -> bool {
    match (value, default.as_ref()) {
        // As SQLite compares them: 0.0 is -0.0.
        (ValueRef::Real(a), ValueRef::Real(b)) => a == b,
        (a, b) => a == b,
    }
}

/// `holds` as an SQL condition on the expression `cell`.
pub fn holds_sql(cell: &str, default: &Value) -> String {
    let class = match default {
        Value::Null => return format!("{cell} IS NULL"),
        Value::Integer(_) => "integer",
        Value::Real(_) => "real",
        Value::Text(_) => "text",
        Value::Blob(_) => "blob",
    };
    let literal = sql::value_literal(default.as_ref());
    format!("({cell} IS {literal} COLLATE BINARY AND typeof({cell}) = '{class}')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storage_class_belongs_to_the_default() {
        assert!(holds(ValueRef::Null, &Value::Null));
        assert!(holds(ValueRef::Real(-0.0), &Value::Real(0.0)));
        assert!(!holds(ValueRef::Real(1.0), &Value::Integer(1)));
        assert!(!holds(ValueRef::Blob(b"a"), &Value::Text(b"a".to_vec())));
    }

    #[test]
    fn conditions_are_quoted() {
        assert_eq!(holds_sql("NEW.a", &Value::Null), "NEW.a IS NULL");
        assert_eq!(
            holds_sql("NEW.a", &Value::Text(b"it's".to_vec())),
            "(NEW.a IS 'it''s' COLLATE BINARY AND typeof(NEW.a) = 'text')"
        );
    }
}
