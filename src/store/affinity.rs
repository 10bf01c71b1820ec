//! Values as a column stores them.

use super::{Slot, Store};
use crate::crdt::value::{Affinity, NumericText, Value, numeric_text, whole_integer};
use crate::error::Result;

impl Store {
    /// The value as a column of this affinity stores it.
    pub fn with_affinity(&self, value: Value, affinity: Affinity) -> Result<Value> {
        let number = match (&value, affinity) {
            (_, Affinity::None) => return Ok(value),
            (Value::Integer(_) | Value::Real(_), Affinity::Text) => {
                return self.cast(Slot::CastText, &value);
            }
            (_, Affinity::Text) | (Value::Null | Value::Blob(_), _) => return Ok(value),
            (Value::Text(text), _) => match numeric_text(text) {
                NumericText::No => return Ok(value),
                NumericText::Integer(integer) => Value::Integer(integer),
                NumericText::Real => self.cast(Slot::CastReal, &value)?,
            },
            (Value::Integer(_) | Value::Real(_), _) => value,
        };
        Ok(match (number, affinity) {
            (Value::Integer(integer), Affinity::Real) => Value::Real(integer as f64),
            (Value::Real(real), Affinity::Numeric) => stored_number(real),
            (number, _) => number,
        })
    }

    fn cast(&self, slot: Slot, value: &Value) -> Result<Value> {
        let cast = self.with(slot, |cast| {
            cast.first([value.as_ref()], |row| row.value(0).to_owned())
        })?;
        Ok(cast.unwrap_or(Value::Null))
    }
}

/// SQLite stores a whole real in a numeric column as an integer, but for the two at the ends of the range.
fn stored_number(real: f64) -> Value {
    match whole_integer(real) {
        Some(integer) if integer != i64::MIN && integer != i64::MAX => Value::Integer(integer),
        _ => Value::Real(real),
    }
}
