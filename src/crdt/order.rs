//! Keys as bytes that sort as the keys do: the order in which the trees of digests hold rows.
//!
//! Live rows are in the order of SQLite's own index on the key, so that a range of them can be read from it:
//! numbers by value, then text by bytes, then blobs by bytes. docs/design.md describes the bytes.

use super::value::{Value, ValueRef, whole_integer};

/// Below every key.
pub const FIRST: &[u8] = &[];

/// Above every key.
pub const LAST: &[u8] = &[0xff];

const NUMBER: u8 = 0x10;
const TEXT: u8 = 0x20;
const BLOB: u8 = 0x30;
const PACKED: u8 = 0x40;

/// What follows a zero byte inside of a text or blob; a zero byte without it ends the value.
const ESCAPE: u8 = 0xff;

/// A key by its values.
pub fn encode<'a>(values: impl Iterator<Item = ValueRef<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    for value in values {
        match value {
            // No part of a key is NULL.
            ValueRef::Null => {}
            ValueRef::Integer(integer) => put_integer(&mut out, integer),
            ValueRef::Real(real) => put_number(&mut out, real, 0),
            ValueRef::Text(text) => put_bytes(&mut out, TEXT, text),
            ValueRef::Blob(blob) => put_bytes(&mut out, BLOB, blob),
        }
    }
    out
}

/// A key by its packed form, for rows that are known by nothing else.
pub fn encode_packed(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + packed.len());
    out.push(PACKED);
    out.extend_from_slice(packed);
    out
}

/// The packed form in what `encode_packed` made; none if it made it not.
pub fn decode_packed(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, packed) = bytes.split_first()?;
    (*tag == PACKED).then_some(packed)
}

/// An integer as the greatest double that is not above it, and the distance to it.
fn put_integer(out: &mut Vec<u8>, integer: i64) {
    let mut real = integer as f64;
    if real as i128 > i128::from(integer) {
        real = real.next_down();
    }
    let distance = i128::from(integer) - real as i128;
    put_number(out, real, distance as u16);
}

fn put_number(out: &mut Vec<u8>, real: f64, distance: u16) {
    let bits = (real + 0.0).to_bits();
    let sign = 1 << 63;
    let sorted = if bits & sign == 0 { bits | sign } else { !bits };
    out.push(NUMBER);
    out.extend_from_slice(&sorted.to_be_bytes());
    out.extend_from_slice(&distance.to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(ESCAPE);
        }
    }
    out.push(0);
}

/// The values of a key; a whole number comes as an INTEGER where one is equal to it. None if the bytes are
/// not exactly what `encode` makes of so many values.
pub fn decode(bytes: &[u8], count: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    let mut rest = bytes;
    while let Some((tag, after)) = rest.split_first() {
        let (value, after) = match *tag {
            NUMBER => take_number(after)?,
            TEXT => take_bytes(after).map(|(text, after)| (Value::Text(text), after))?,
            BLOB => take_bytes(after).map(|(blob, after)| (Value::Blob(blob), after))?,
            _ => return None,
        };
        values.push(value);
        rest = after;
    }
    let is_exact = values.len() == count && encode(values.iter().map(Value::as_ref)) == bytes;
    is_exact.then_some(values)
}

fn take_number(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (sorted, rest) = bytes.split_first_chunk::<8>()?;
    let (distance, rest) = rest.split_first_chunk::<2>()?;
    let sorted = u64::from_be_bytes(*sorted);
    let sign = 1 << 63;
    let real = f64::from_bits(if sorted & sign == 0 {
        !sorted
    } else {
        sorted ^ sign
    });
    let distance = i64::from(u16::from_be_bytes(*distance));
    let value = match whole_integer(real) {
        Some(whole) => Value::Integer(whole.checked_add(distance)?),
        None if distance == 0 && !real.is_nan() => Value::Real(real),
        None => return None,
    };
    Some((value, rest))
}

fn take_bytes(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut taken = Vec::new();
    let mut rest = bytes;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        if *byte != 0 {
            taken.push(*byte);
        } else if let Some((&ESCAPE, after)) = rest.split_first() {
            taken.push(0);
            rest = after;
        } else {
            return Some((taken, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_sqlite_sorts_keys() {
        let ascending = [
            Value::Real(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MIN + 1),
            Value::Real(-1.5),
            Value::Integer(-1),
            Value::Integer(0),
            Value::Real(0.5),
            Value::Integer(1),
            Value::Integer((1 << 53) - 1),
            Value::Integer(1 << 53),
            Value::Integer((1 << 53) + 1),
            Value::Integer((1 << 53) + 2),
            Value::Integer(i64::MAX - 1),
            Value::Integer(i64::MAX),
            Value::Real(9_223_372_036_854_775_808.0),
            Value::Real(f64::INFINITY),
            Value::Text(b"".to_vec()),
            Value::Text(b"\0".to_vec()),
            Value::Text(b"\0a".to_vec()),
            Value::Text(b"a".to_vec()),
            Value::Text(b"a\0".to_vec()),
            Value::Text(b"ab".to_vec()),
            Value::Blob(b"".to_vec()),
            Value::Blob(b"\xff\xff".to_vec()),
        ];
        let encoded: Vec<Vec<u8>> = ascending
            .iter()
            .map(|value| encode([value.as_ref()].into_iter()))
            .collect();
        for (pair, values) in encoded.windows(2).zip(ascending.windows(2)) {
            assert!(pair[0] < pair[1], "{values:?}");
        }
        assert!(FIRST < &encoded[0][..] && &encoded[encoded.len() - 1][..] < LAST);
        for (bytes, value) in encoded.iter().zip(&ascending) {
            assert_eq!(
                decode(bytes, 1).as_deref(),
                Some(std::slice::from_ref(value))
            );
        }
    }

    #[test]
    fn the_first_column_decides_before_the_second() {
        let of = |a: &[u8], b: i64| encode([ValueRef::Text(a), ValueRef::Integer(b)].into_iter());
        assert!(of(b"a", 9) < of(b"a\0", -9));
        assert!(of(b"a", -1) < of(b"a", 0));
        assert_eq!(
            decode(&of(b"a\0", -9), 2),
            Some(vec![Value::Text(b"a\0".to_vec()), Value::Integer(-9)])
        );
    }

    #[test]
    fn an_equal_real_has_the_bytes_of_the_integer() {
        let real = encode([ValueRef::Real(5.0)].into_iter());
        assert_eq!(real, encode([ValueRef::Integer(5)].into_iter()));
        assert_eq!(decode(&real, 1), Some(vec![Value::Integer(5)]));
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        let five = encode([ValueRef::Integer(5)].into_iter());
        for bytes in [
            &five[..5],
            &[five.clone(), five.clone()].concat(),
            b"\x20abc",
            b"\x00",
            LAST,
            FIRST,
            // Not a number, and an integer with a distance that the double next to it would show.
            &[&[NUMBER][..], &[0xff; 10]].concat(),
            &[&five[..9], &[0, 1]].concat(),
        ] {
            assert_eq!(decode(bytes, 1), None, "{bytes:?}");
        }
        assert_eq!(decode_packed(&encode_packed(b"\xff")), Some(&b"\xff"[..]));
        assert_eq!(decode_packed(b""), None);
    }
}
