//! The packed primary key, which is a row's identity: keys that SQLite holds equal give the same bytes.

use super::table::Table;
use super::value::{Rule, Value};

pub type Key = Vec<u8>;

/// Packs the stored values of a key, in the order of the PRIMARY KEY clause.
pub fn pack(table: &Table, values: &[Value]) -> Key {
    let mut bytes = vec![values.len() as u8];
    for (value, column) in values.iter().zip(&table.key) {
        pack_value(&mut bytes, &identity(value, table.columns[*column].rule));
    }
    bytes
}

/// 1.0 and 1 are one key, unless the column makes every number a real; -0.0 is 0.0.
fn identity(value: &Value, rule: Rule) -> Value {
    let two_to_63 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Real(real) if rule.is_real() => Value::Real(real + 0.0),
        Value::Real(real) if real.fract() == 0.0 && (-two_to_63..two_to_63).contains(real) => {
            Value::Integer(*real as i64)
        }
        other => other.clone(),
    }
}

fn pack_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(5),
        Value::Integer(integer) => {
            let length = match *integer {
                negative if negative < 0 => 8,
                positive => (64 - positive.leading_zeros()).div_ceil(8) as usize,
            };
            pack_tag(bytes, length, 1, &integer.to_be_bytes());
        }
        Value::Real(real) => {
            bytes.push(2);
            bytes.extend_from_slice(&real.to_be_bytes());
        }
        Value::Text(text) => pack_bytes(bytes, 3, text.as_bytes()),
        Value::Blob(blob) => pack_bytes(bytes, 4, blob),
    }
}

fn pack_bytes(bytes: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = content.len() as u64;
    let width = (64 - length.leading_zeros()).div_ceil(8) as usize;
    pack_tag(bytes, width, kind, &length.to_be_bytes());
    bytes.extend_from_slice(content);
}

fn pack_tag(bytes: &mut Vec<u8>, width: usize, kind: u8, number: &[u8; 8]) {
    bytes.push((width as u8) << 3 | kind);
    bytes.extend_from_slice(&number[8 - width..]);
}

/// The values of a packed key; `None` for bytes that are not one.
pub fn unpack(key: &[u8]) -> Option<Vec<Value>> {
    let (&count, mut rest) = key.split_first()?;
    let values: Option<Vec<Value>> = (0..count).map(|_| unpack_value(&mut rest)).collect();
    values.filter(|_| rest.is_empty())
}

fn unpack_value(rest: &mut &[u8]) -> Option<Value> {
    let tag = take(rest, 1)?[0];
    let width = usize::from(tag >> 3);
    if width > 8 {
        return None;
    }
    Some(match tag & 7 {
        1 => Value::Integer(unpack_number(rest, width)? as i64),
        2 => Value::Real(f64::from_bits(unpack_number(rest, 8)?)),
        3 => {
            let length = unpack_number(rest, width)?;
            Value::Text(String::from_utf8(take(rest, length as usize)?.to_vec()).ok()?)
        }
        4 => {
            let length = unpack_number(rest, width)?;
            Value::Blob(take(rest, length as usize)?.to_vec())
        }
        5 => Value::Null,
        _ => return None,
    })
}

fn unpack_number(rest: &mut &[u8], width: usize) -> Option<u64> {
    Some(
        take(rest, width)?
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}
