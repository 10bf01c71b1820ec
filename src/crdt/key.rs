//! The packed form of a primary key, as it stands in `crsql_changes.pk` (the wire format of cr-sqlite 0.16).
//!
//! `count:u8`, then per value `tag:u8 payload` with `tag = n << 3 | type`; see docs/design.md. A packed key made
//! by `pack` is canonical: equal values give equal bytes, so the bytes are the identity of a row.

use super::value::{Value, ValueRef};
use std::fmt;

/// More values than this do not fit the count byte.
pub const KEY_VALUES_MAX: usize = 255;

const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const NULL: u8 = 5;

/// Why bytes are not a packed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDefect {
    /// No count byte
    Empty,
    /// The bytes end inside a value
    Truncated,
    /// A type tag that the format does not have
    UnknownType(u8),
    /// An integer or a length of more than eight bytes
    TooWide,
    /// Text that is not UTF-8
    InvalidUtf8,
    /// Bytes after the last value
    TrailingBytes,
    /// A real that is not a number
    NotANumber,
}

impl fmt::Display for KeyDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyDefect::Empty => f.write_str("it is empty"),
            KeyDefect::Truncated => f.write_str("it ends in the middle of a value"),
            KeyDefect::UnknownType(tag) => write!(f, "it has the unknown type tag {tag}"),
            KeyDefect::TooWide => f.write_str("it has a number wider than eight bytes"),
            KeyDefect::InvalidUtf8 => f.write_str("it has text that is not valid UTF-8"),
            KeyDefect::TrailingBytes => f.write_str("it goes on after its last value"),
            KeyDefect::NotANumber => f.write_str("it has a real that is not a number"),
        }
    }
}

/// Appends one value to a packed key whose count byte the caller has written.
pub fn pack_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Integer(integer) => pack_number(out, INTEGER, integer),
        ValueRef::Real(real) => {
            out.push(REAL);
            out.extend_from_slice(&real.to_be_bytes());
        }
        ValueRef::Text(bytes) => pack_bytes(out, TEXT, bytes),
        ValueRef::Blob(bytes) => pack_bytes(out, BLOB, bytes),
    }
}

/// Packs `values`; at most `KEY_VALUES_MAX` of them.
pub fn pack<'a>(values: impl ExactSizeIterator<Item = ValueRef<'a>>) -> Vec<u8> {
    let mut out = vec![values.len() as u8];
    values.for_each(|value| pack_value(&mut out, value));
    out
}

/// A non-negative number takes as few bytes as it needs, a negative one eight.
fn pack_number(out: &mut Vec<u8>, kind: u8, number: i64) {
    let skipped = number.leading_zeros() as usize / 8;
    out.push(((8 - skipped) as u8) << 3 | kind);
    out.extend_from_slice(&number.to_be_bytes()[skipped..]);
}

fn pack_bytes(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    pack_number(out, kind, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Reads a packed key. Accepts numbers that take more bytes than they need.
pub fn unpack(packed: &[u8]) -> Result<Vec<Value>, KeyDefect> {
    let mut values = Vec::new();
    unpack_into(packed, &mut values)?;
    Ok(values.into_iter().map(ValueRef::to_owned).collect())
}

/// Reads a packed key without copying its values, which replace those in `values`.
pub fn unpack_into<'a>(packed: &'a [u8], values: &mut Vec<ValueRef<'a>>) -> Result<(), KeyDefect> {
    let (&count, mut rest) = packed.split_first().ok_or(KeyDefect::Empty)?;
    values.clear();
    for _ in 0..count {
        values.push(unpack_value(&mut rest)?);
    }
    match rest {
        [] => Ok(()),
        _ => Err(KeyDefect::TrailingBytes),
    }
}

/// Splits the first packed key off a row of them.
pub fn split_first(packed: &[u8]) -> Result<(&[u8], &[u8]), KeyDefect> {
    let (&count, mut rest) = packed.split_first().ok_or(KeyDefect::Empty)?;
    for _ in 0..count {
        skip_value(&mut rest)?;
    }
    Ok(packed.split_at(packed.len() - rest.len()))
}

fn skip_value(rest: &mut &[u8]) -> Result<(), KeyDefect> {
    let tag = take(rest, 1)?[0];
    let width = usize::from(tag >> 3);
    match tag & 7 {
        INTEGER => take(rest, width).map(drop),
        REAL => take(rest, 8).map(drop),
        TEXT | BLOB => unpack_bytes(rest, width).map(drop),
        NULL => Ok(()),
        _ => Err(KeyDefect::UnknownType(tag)),
    }
}

fn unpack_value<'a>(rest: &mut &'a [u8]) -> Result<ValueRef<'a>, KeyDefect> {
    let tag = take(rest, 1)?[0];
    let width = usize::from(tag >> 3);
    match tag & 7 {
        INTEGER => Ok(ValueRef::Integer(unpack_number(rest, width)?)),
        REAL => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(take(rest, 8)?);
            let real = f64::from_be_bytes(bytes);
            if real.is_nan() {
                return Err(KeyDefect::NotANumber);
            }
            Ok(ValueRef::Real(real))
        }
        TEXT => {
            let bytes = unpack_bytes(rest, width)?;
            std::str::from_utf8(bytes).map_err(|_| KeyDefect::InvalidUtf8)?;
            Ok(ValueRef::Text(bytes))
        }
        BLOB => Ok(ValueRef::Blob(unpack_bytes(rest, width)?)),
        NULL => Ok(ValueRef::Null),
        _ => Err(KeyDefect::UnknownType(tag)),
    }
}

fn unpack_bytes<'a>(rest: &mut &'a [u8], width: usize) -> Result<&'a [u8], KeyDefect> {
    let length = unpack_number(rest, width)?;
    take(
        rest,
        usize::try_from(length).map_err(|_| KeyDefect::Truncated)?,
    )
}

fn unpack_number(rest: &mut &[u8], width: usize) -> Result<i64, KeyDefect> {
    if width > 8 {
        return Err(KeyDefect::TooWide);
    }
    let mut bytes = [0; 8];
    bytes[8 - width..].copy_from_slice(take(rest, width)?);
    Ok(i64::from_be_bytes(bytes))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], KeyDefect> {
    let (head, tail) = rest.split_at_checked(length).ok_or(KeyDefect::Truncated)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(values: &[Value]) -> String {
        let packed = pack(values.iter().map(Value::as_ref));
        packed.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn packs_as_specified() {
        use Value::*;
        for (values, expected) in [
            (vec![Integer(0)], "0101"),
            (vec![Integer(1)], "010901"),
            (vec![Integer(255)], "0109ff"),
            (vec![Integer(256)], "01110100"),
            (vec![Integer(1 << 40)], "0131010000000000"),
            (vec![Integer(-1)], "0141ffffffffffffffff"),
            (vec![Integer(i64::MIN)], "01418000000000000000"),
            (vec![Real(1.5)], "01023ff8000000000000"),
            (vec![Real(-0.0)], "01028000000000000000"),
            (vec![Text(vec![])], "0103"),
            (vec![Text(b"a".to_vec())], "010b0161"),
            (vec![Blob(vec![0, 255])], "010c0200ff"),
            (vec![Null], "0105"),
            (vec![Integer(4), Integer(5)], "0209040905"),
            (vec![], "00"),
        ] {
            assert_eq!(hex(&values), expected);
            let bytes = pack(values.iter().map(Value::as_ref));
            assert_eq!(unpack(&bytes), Ok(values));
        }
    }

    #[test]
    fn refuses_what_is_not_a_packed_key() {
        for (bytes, defect) in [
            (&b""[..], KeyDefect::Empty),
            (b"\x01", KeyDefect::Truncated),
            (b"\x01\x09", KeyDefect::Truncated),
            (b"\x01\x07", KeyDefect::UnknownType(7)),
            (
                b"\x01\x49\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                KeyDefect::TooWide,
            ),
            (b"\x01\x0b\x01\xff", KeyDefect::InvalidUtf8),
            (b"\x01\x0b\x02a", KeyDefect::Truncated),
            (
                b"\x01\x43\xff\xff\xff\xff\xff\xff\xff\xff",
                KeyDefect::Truncated,
            ),
            (b"\x01\x01\x00", KeyDefect::TrailingBytes),
            (
                b"\x01\x02\x7f\xf8\x00\x00\x00\x00\x00\x00",
                KeyDefect::NotANumber,
            ),
        ] {
            assert_eq!(unpack(bytes), Err(defect), "{bytes:?}");
        }
    }

    #[test]
    fn keys_in_a_row_come_apart_again() {
        let first = pack([ValueRef::Text(b"ab"), ValueRef::Real(0.5)].into_iter());
        let second = pack([ValueRef::Integer(-3), ValueRef::Null].into_iter());
        let both = [first.clone(), second.clone()].concat();
        assert_eq!(split_first(&both), Ok((&first[..], &second[..])));
    }

    #[test]
    fn accepts_numbers_wider_than_needed() {
        assert_eq!(unpack(b"\x01\x11\x00\x05"), Ok(vec![Value::Integer(5)]));
    }
}
