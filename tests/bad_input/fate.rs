//! What must become of a row inserted into `crsql_changes`, decided anew from the documented rules alone.

use rusqlite::types::Value;

use crate::Row;
use crate::support::COLUMNS;

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// An error whose text begins like this
    Refused(String),
    /// It waits for its table or column
    Parked,
    /// It is merged: applied, or ignored as known or outdated
    Merged,
}

const LARGEST: i64 = 1 << 53;

/// The whole number that a value stands for.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Real(real) if real.fract() == 0.0 && real.abs() < 9e18 => Some(*real as i64),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn counter(row: &Row, column: usize) -> Result<i64, String> {
    let is_cl = COLUMNS[column] == "cl";
    let least = i64::from(is_cl);
    let number = match &row[column] {
        Value::Null if !is_cl => Some(0),
        value => whole(value),
    };
    number
        .filter(|number| (least..=LARGEST).contains(number))
        .ok_or_else(|| {
            format!(
                "crsql: {} of a change must be a whole number from {least} to {LARGEST}",
                COLUMNS[column]
            )
        })
}

fn name(row: &Row, column: usize) -> Result<&str, String> {
    match &row[column] {
        Value::Text(text) => Ok(text),
        _ => Err(format!(
            "crsql: {} of a change must be a text",
            COLUMNS[column]
        )),
    }
}

fn site(row: &Row) -> Result<(), String> {
    let length = match &row[6] {
        Value::Null => 0,
        Value::Blob(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        _ => return Err("crsql: site_id of a change must be a BLOB of 1 to 16 bytes".to_owned()),
    };
    match length {
        0..=16 => Ok(()),
        _ => Err(format!("crsql: site_id of a change has {length} bytes")),
    }
}

/// The values of a packed key, read loosely: numbers and lengths in as many bytes as they like.
fn unpack(packed: &[u8]) -> Option<Vec<Value>> {
    let (count, mut rest) = packed.split_first()?;
    let mut values = Vec::new();
    for _ in 0..*count {
        let (tag, after) = rest.split_first()?;
        let (kind, width) = (tag & 7, usize::from(tag >> 3));
        rest = after;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length)?;
            rest = left;
            Some(taken)
        };
        if width > 8 {
            return None;
        }
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
        };
        values.push(match kind {
            1 => Value::Integer(number(take(width)?) as i64),
            2 => Value::Real(f64::from_bits(number(take(8)?))),
            3 | 4 => {
                let length = usize::try_from(number(take(width)?)).ok()?;
                let bytes = take(length)?.to_vec();
                match kind {
                    3 => Value::Text(String::from_utf8(bytes).ok()?),
                    _ => Value::Blob(bytes),
                }
            }
            5 => Value::Null,
            _ => return None,
        });
        if matches!(values.last(), Some(Value::Real(real)) if real.is_nan()) {
            return None;
        }
    }
    rest.is_empty().then_some(values)
}

fn key(row: &Row, table: &str) -> Result<(), String> {
    let refused = || {
        Err(format!(
            "crsql: pk of a change to table \"{table}\" does not fit: "
        ))
    };
    let Value::Blob(packed) = &row[1] else {
        return refused();
    };
    let Some(values) = unpack(packed) else {
        return refused();
    };
    let fits = match table {
        "t" => {
            values.len() == 1 && whole(&values[0]).is_some() && !matches!(values[0], Value::Blob(_))
        }
        "pair" => values.len() == 2 && !values.contains(&Value::Null),
        _ => true,
    };
    if fits { Ok(()) } else { refused() }
}

/// What must become of the row in the databases of `prepared`.
pub fn fate(row: &Row) -> Fate {
    decide(row).unwrap_or_else(Fate::Refused)
}

fn decide(row: &Row) -> Result<Fate, String> {
    let (table, cid) = (name(row, 0)?, name(row, 2)?);
    let cl = counter(row, 7)?;
    for column in [4, 5, 8] {
        counter(row, column)?;
    }
    site(row)?;
    let here = ["t", "pair"]
        .into_iter()
        .find(|here| here.eq_ignore_ascii_case(table));
    let Some(here) = here else {
        key(row, table)?;
        return Ok(Fate::Parked);
    };
    key(row, here)?;
    let (of_key, cells): (&[&str], &[&str]) = match here {
        "t" => (&["k", "g"], &["a", "b"]),
        _ => (&["org", "n"], &["a"]),
    };
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(cid));
    if cid == "-1" || is_one_of(cells) {
        Ok(Fate::Merged)
    } else if is_one_of(of_key) {
        Err(format!(
            "crsql: the column \"{cid}\" of table \"{here}\" is "
        ))
    } else if cl % 2 == 1 {
        Ok(Fate::Parked)
    } else {
        // A deletion, whatever column it names.
        Ok(Fate::Merged)
    }
}
