//! Values of every type, from what a fuzzer chose.

use crsql::crdt::value::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::schedule::random::Random;

/// A value of any type. Few different ones, so that keys and ties meet; some at a limit.
pub fn value(random: &mut Random) -> Value {
    match random.below(6) {
        0 => Value::Null,
        1 => Value::Integer(integer(random)),
        2 => Value::Real(real(random)),
        3 => Value::Text(text(random)),
        4 => Value::Blob(bytes(random)),
        _ => Value::Integer(random.below(4) as i64),
    }
}

/// A whole number, often at a limit.
pub fn integer(random: &mut Random) -> i64 {
    let limits = [0, 1, 53, 62, 63];
    let limit = 1_i64.checked_shl(*random.pick(&limits)).unwrap_or_default();
    let near = random.between(0, 2) as i64 - 1;
    match random.below(4) {
        0 => limit.wrapping_add(near),
        1 => limit.wrapping_neg().wrapping_add(near),
        2 => random.next() as i64,
        _ => random.below(256) as i64 - 64,
    }
}

fn real(random: &mut Random) -> f64 {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9_007_199_254_740_993.0,
        9_223_372_036_854_775_808.0,
        f64::MIN_POSITIVE,
    ];
    match random.below(4) {
        0 => Some(f64::from_bits(random.next()))
            .filter(|real| !real.is_nan())
            .unwrap_or_default(),
        _ => *random.pick(&values),
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    let texts = [
        "", "a", "A", "b", "1", "1.0", "1.5", "-1", "9e999", " 2 ", "a\0b", "\u{e9}", "t",
    ];
    match random.below(8) {
        0 => bytes(random),
        _ => random.pick(&texts).as_bytes().to_vec(),
    }
}

/// A few bytes; seldom many.
pub fn bytes(random: &mut Random) -> Vec<u8> {
    let length = match random.below(40) {
        0 => random.below(3_000),
        _ => random.below(20),
    };
    (0..length).map(|_| random.below(256) as u8).collect()
}

/// Alters a few of the bytes from `start` on.
pub fn damage(random: &mut Random, bytes: &mut Vec<u8>, start: usize) {
    for _ in 0..random.between(1, 5) {
        if bytes.len() <= start {
            return;
        }
        let at = start + random.below(bytes.len() - start);
        match random.below(6) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xff]),
            2 => bytes[at] ^= 1 << random.below(8),
            3 => bytes.insert(at, random.below(256) as u8),
            4 => drop(bytes.drain(at..(at + random.between(1, 9)).min(bytes.len()))),
            _ => {
                let piece: Vec<u8> = bytes[at..].iter().take(30).copied().collect();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// A value as SQLite takes it; text need not be UTF-8.
#[derive(Debug, Clone)]
pub struct Bound(pub Value);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

/// What SQLite gave.
pub fn taken(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(text.to_vec()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}

/// Whether two values are the same, 0.0 and -0.0 being two.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Real(left), Value::Real(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}
