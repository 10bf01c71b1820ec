//! Values as SQLite stores them: storage classes, the order that breaks ties between equal column versions, and what a
//! column's type makes of a value before it is stored.

use std::cmp::Ordering;

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// What a column does to the values written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No affinity: an untyped or BLOB column, or ANY in a STRICT table.
    Any,
    Integer,
    Numeric,
    Real,
    Text,
    /// INTEGER PRIMARY KEY of a rowid table.
    RowidAlias,
    StrictInteger,
    StrictReal,
    StrictText,
    StrictBlob,
}

/// The value cannot be stored in the column, whatever the conflict clause says.
#[derive(Debug)]
pub struct WrongType;

impl Value {
    /// What SQLite makes of a value when it is bound: NaN is NULL.
    pub fn bound(&self) -> Value {
        match self {
            Value::Real(real) if real.is_nan() => Value::Null,
            other => other.clone(),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// NULL < BLOB < TEXT < REAL < INTEGER.
    fn class_rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Blob(_) => 1,
            Value::Text(_) => 2,
            Value::Real(_) => 3,
            Value::Integer(_) => 4,
        }
    }

    /// The order of the tie-break. Equal means the same storage class and content, where 0.0 and -0.0 are the same.
    pub fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).expect("NaN is never stored"),
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
            _ => self.class_rank().cmp(&other.class_rank()),
        }
    }

    pub fn same(&self, other: &Value) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

impl Rule {
    /// The value as the column stores it.
    pub fn store(self, value: &Value) -> Result<Value, WrongType> {
        let stored = match self {
            Rule::Any | Rule::StrictBlob => value.clone(),
            Rule::Integer | Rule::Numeric | Rule::RowidAlias | Rule::StrictInteger => {
                to_integer_if_exact(to_number(value))
            }
            Rule::Real | Rule::StrictReal => to_real(to_number(value)),
            Rule::Text | Rule::StrictText => to_text(value),
        };
        let fits = match (self, &stored) {
            (Rule::RowidAlias, Value::Integer(_)) => true,
            (Rule::RowidAlias, _) => false,
            (_, Value::Null) => true,
            (Rule::StrictInteger, _) => matches!(stored, Value::Integer(_)),
            (Rule::StrictReal, _) => matches!(stored, Value::Real(_)),
            (Rule::StrictText, _) => matches!(stored, Value::Text(_)),
            (Rule::StrictBlob, _) => matches!(stored, Value::Blob(_)),
            _ => true,
        };
        if fits { Ok(stored) } else { Err(WrongType) }
    }

    pub fn is_real(self) -> bool {
        matches!(self, Rule::Real | Rule::StrictReal)
    }
}

/// Text that reads as a number becomes one; everything else stays.
fn to_number(value: &Value) -> Value {
    let Value::Text(text) = value else {
        return value.clone();
    };
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r']);
    if !is_numeric_literal(trimmed) {
        return value.clone();
    }
    match trimmed.parse::<i64>() {
        Ok(integer) => Value::Integer(integer),
        Err(_) => Value::Real(trimmed.parse().expect("a numeric literal")),
    }
}

fn is_numeric_literal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_reads = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['+', '-']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_reads
}

/// INTEGER and NUMERIC affinity: a real that is exactly an integer, the two ends of the range excepted.
fn to_integer_if_exact(value: Value) -> Value {
    let Value::Real(real) = value else {
        return value;
    };
    let integer = real as i64;
    let is_exact = integer as f64 == real && integer != i64::MAX && integer != i64::MIN;
    if is_exact {
        Value::Integer(integer)
    } else {
        value
    }
}

fn to_real(value: Value) -> Value {
    match value {
        Value::Integer(integer) => Value::Real(integer as f64),
        other => other,
    }
}

/// The generator keeps to reals whose shortest text is the one that every SQLite prints.
fn to_text(value: &Value) -> Value {
    match value {
        Value::Integer(integer) => Value::Text(integer.to_string()),
        Value::Real(real) => Value::Text(format!("{real:?}")),
        other => other.clone(),
    }
}
