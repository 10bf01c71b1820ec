//! SQLite values and their order under last-writer-wins.

use std::cmp::Ordering;

/// An owned SQLite value. Text is kept as the bytes SQLite gave, which need not be valid UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// 64-bit signed integer
    Integer(i64),
    /// IEEE-754 double, never NaN (SQLite turns NaN into NULL)
    Real(f64),
    /// Text in UTF-8
    Text(Vec<u8>),
    /// Bytes
    Blob(Vec<u8>),
}

/// A borrowed SQLite value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// NULL
    Null,
    /// 64-bit signed integer
    Integer(i64),
    /// IEEE-754 double
    Real(f64),
    /// Text in UTF-8
    Text(&'a [u8]),
    /// Bytes
    Blob(&'a [u8]),
}

/// What SQLite does to a value that is stored in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// No conversion: untyped columns, BLOB, ANY in a STRICT table
    None,
    /// Numbers become text
    Text,
    /// Numeric text becomes a number, whole reals become integers; covers INTEGER, which stores alike
    Numeric,
    /// As Numeric, and integers become reals
    Real,
}

impl Value {
    /// A view of this value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(i) => ValueRef::Integer(*i),
            Value::Real(r) => ValueRef::Real(*r),
            Value::Text(t) => ValueRef::Text(t),
            Value::Blob(b) => ValueRef::Blob(b),
        }
    }
}

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_owned(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(i) => Value::Integer(i),
            ValueRef::Real(r) => Value::Real(r),
            ValueRef::Text(t) => Value::Text(t.to_vec()),
            ValueRef::Blob(b) => Value::Blob(b.to_vec()),
        }
    }

    fn class_rank(self) -> u8 {
        match self {
            ValueRef::Null => 0,
            ValueRef::Blob(_) => 1,
            ValueRef::Text(_) => 2,
            ValueRef::Real(_) => 3,
            ValueRef::Integer(_) => 4,
        }
    }

    /// The order in which concurrent writes of equal version win: the storage class first
    /// (NULL < BLOB < TEXT < REAL < INTEGER), then the value; 0.0 and -0.0 are equal.
    pub fn merge_order(self, other: ValueRef<'_>) -> Ordering {
        match (self, other) {
            (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(&b),
            (ValueRef::Real(a), ValueRef::Real(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (ValueRef::Text(a), ValueRef::Text(b)) | (ValueRef::Blob(a), ValueRef::Blob(b)) => {
                a.cmp(b)
            }
            _ => self.class_rank().cmp(&other.class_rank()),
        }
    }
}

/// Whether a column of this affinity stores the value as it is.
pub fn is_stored_form(value: ValueRef<'_>, affinity: Affinity) -> bool {
    matches!(
        (value, affinity),
        (_, Affinity::None)
            | (ValueRef::Null | ValueRef::Blob(_), _)
            | (ValueRef::Text(_), Affinity::Text)
            | (ValueRef::Integer(_), Affinity::Numeric)
            | (ValueRef::Real(_), Affinity::Real)
    )
}

/// 2^63 as a real: the first whole number that no 64-bit integer can hold.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// The integer that SQLite holds equal to `real`, if there is one.
pub fn whole_integer(real: f64) -> Option<i64> {
    let fits = (-INTEGER_END..INTEGER_END).contains(&real);
    (fits && real.trunc() == real).then_some(real as i64)
}

impl Affinity {
    /// The affinity of a column by its declared type (SQLite documentation, "Datatypes", section 3.1).
    pub fn of_declared_type(declared: &str, strict: bool) -> Affinity {
        let declared = declared.to_ascii_uppercase();
        if strict && declared == "ANY" {
            return Affinity::None;
        }
        if declared.contains("INT") {
            return Affinity::Numeric;
        }
        if ["CHAR", "CLOB", "TEXT"]
            .iter()
            .any(|t| declared.contains(t))
        {
            return Affinity::Text;
        }
        if declared.is_empty() || declared.contains("BLOB") {
            return Affinity::None;
        }
        if ["REAL", "FLOA", "DOUB"]
            .iter()
            .any(|t| declared.contains(t))
        {
            return Affinity::Real;
        }
        Affinity::Numeric
    }
}

/// How a text reads as a number by SQLite's rules for affinity: the whole text, blanks around it aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumericText {
    /// Not a number: stays text
    No,
    /// A whole number that fits 64 bits
    Integer(i64),
    /// A decimal number; SQLite itself converts it
    Real,
}

/// Classifies a text for numeric affinity.
pub fn numeric_text(text: &[u8]) -> NumericText {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !is_blank(b))
        .map_or(start, |i| i + 1);
    let Ok(body) = std::str::from_utf8(&text[start..end]) else {
        return NumericText::No;
    };
    let unsigned = body.strip_prefix(['+', '-']).unwrap_or(body);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let has_digit = !whole.is_empty() || fraction.is_some_and(|f| !f.is_empty());
    let exponent_is_sound = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
        !digits.is_empty() && is_digits(digits)
    });
    if !has_digit || !is_digits(whole) || !fraction.is_none_or(is_digits) || !exponent_is_sound {
        return NumericText::No;
    }
    match (fraction, exponent, body.parse::<i64>()) {
        (None, None, Ok(integer)) => NumericText::Integer(integer),
        _ => NumericText::Real,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storage_class_decides_before_the_value() {
        let ascending = [
            ValueRef::Null,
            ValueRef::Blob(b"\xff"),
            ValueRef::Text(b""),
            ValueRef::Text(b"a"),
            ValueRef::Text(b"ab"),
            ValueRef::Real(-1.0),
            ValueRef::Real(1e300),
            ValueRef::Integer(-5),
            ValueRef::Integer(7),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(a.merge_order(*b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
        assert_eq!(
            ValueRef::Real(0.0).merge_order(ValueRef::Real(-0.0)),
            Ordering::Equal
        );
    }

    #[test]
    fn text_is_numeric_only_as_a_whole() {
        for (text, expected) in [
            ("7", NumericText::Integer(7)),
            (" -7\n", NumericText::Integer(-7)),
            ("+7", NumericText::Integer(7)),
            ("9223372036854775807", NumericText::Integer(i64::MAX)),
            ("9223372036854775808", NumericText::Real),
            ("7.", NumericText::Real),
            (".5", NumericText::Real),
            ("1e3", NumericText::Real),
            ("", NumericText::No),
            (".", NumericText::No),
            ("1e", NumericText::No),
            ("0x10", NumericText::No),
            ("7a", NumericText::No),
            ("1_000", NumericText::No),
            ("inf", NumericText::No),
        ] {
            assert_eq!(numeric_text(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn only_reals_in_range_have_a_whole_integer() {
        assert_eq!(whole_integer(-0.0), Some(0));
        assert_eq!(whole_integer(1.5), None);
        assert_eq!(whole_integer(-INTEGER_END), Some(i64::MIN));
        assert_eq!(whole_integer(INTEGER_END), None);
        assert_eq!(whole_integer(f64::INFINITY), None);
    }
}
