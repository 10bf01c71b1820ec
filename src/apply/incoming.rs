//! A row inserted into `crsql_changes`, checked against this database before anything is done.

use super::Change;
use crate::crdt::change::{
    COUNTER_MAX, CausalLength, Claim, ColumnVersion, DbVersion, SENTINEL, SITE_ID_BYTES_MAX, Seq,
    column,
};
use crate::crdt::key as packed_key;
use crate::crdt::value::{Affinity, NumericText, Value, ValueRef, numeric_text, whole_integer};
use crate::error::{Error, Result};
use crate::schema::{Column, Crr, Key};
use crate::sql::{self, quoted};
use crate::state::State;
use crate::store::Slot;
use std::borrow::Cow;
use std::rc::Rc;

/// A change that was checked against this database.
pub(super) struct Incoming<'a> {
    pub(super) crr: Rc<Crr>,
    pub(super) key: Key,
    /// The key as it came
    pub(super) pk: &'a [u8],
    /// The index in `crr.columns` and the value as the column stores it; none for a sentinel
    pub(super) cell: Option<(usize, Value)>,
    pub(super) claim: Claim,
    pub(super) cl: CausalLength,
    pub(super) version: DbVersion,
    pub(super) seq: Seq,
    /// None is this database
    pub(super) site: Option<&'a [u8]>,
}

/// Checks a row inserted into `crsql_changes`.
pub(super) fn read<'a>(state: &State, change: &Change<'a>) -> Result<Incoming<'a>> {
    let table = read_name(change[column::TABLE], "table")?;
    let cid = read_name(change[column::CID], "cid")?;
    let cl = CausalLength(read_counter(change, column::CL, "cl")?);
    let column_version = ColumnVersion(read_counter(change, column::COL_VERSION, "col_version")?);
    let version = DbVersion(read_counter(change, column::DB_VERSION, "db_version")?);
    let seq = Seq(read_counter(change, column::SEQ, "seq")?);
    let site = read_site(state, change[column::SITE_ID])?;
    let crr = state.table_by_name(&table)?.ok_or_else(|| {
        Error::Change(format!(
            "there is no replicated table {} here; make it and call SELECT crsql_as_crr({}) before merging its \
             changes",
            quoted(&table),
            sql::literal(&table)
        ))
    })?;
    crr.check_drift()?;
    let (key, pk) = read_key(state, &crr, change[column::PK])?;
    let cell = read_cell(state, &crr, &cid, change[column::VAL])?;
    let claim = if cell.is_some() {
        Claim::Cell(column_version)
    } else {
        Claim::Sentinel
    };
    Ok(Incoming {
        crr,
        key,
        pk,
        cell,
        claim,
        cl,
        version,
        seq,
        site,
    })
}

fn read_name<'a>(value: ValueRef<'a>, column: &str) -> Result<Cow<'a, str>> {
    match value {
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text)),
        _ => Err(Error::Change(format!(
            "{column} of a change must be a text"
        ))),
    }
}

fn read_counter(change: &Change<'_>, index: usize, column: &str) -> Result<u64> {
    let number = match change[index] {
        ValueRef::Integer(integer) => Some(integer),
        ValueRef::Real(real) => whole_integer(real),
        ValueRef::Text(text) => match numeric_text(text) {
            NumericText::Integer(integer) => Some(integer),
            _ => None,
        },
        // A column that an INSERT leaves out.
        ValueRef::Null if index != column::CL => Some(0),
        ValueRef::Null | ValueRef::Blob(_) => None,
    };
    match number {
        Some(number) if (i64::from(index == column::CL)..=COUNTER_MAX).contains(&number) => {
            Ok(number as u64)
        }
        _ => {
            let least = i64::from(index == column::CL);
            Err(Error::Change(format!(
                "{column} of a change must be a whole number from {least} to {COUNTER_MAX} (2^53)"
            )))
        }
    }
}

fn read_site<'a>(state: &State, value: ValueRef<'a>) -> Result<Option<&'a [u8]>> {
    let (ValueRef::Blob(site) | ValueRef::Text(site)) = value else {
        return match value {
            ValueRef::Null => Ok(None),
            _ => Err(Error::Change(
                "site_id of a change must be a BLOB of 1 to 16 bytes".to_owned(),
            )),
        };
    };
    if site.len() > SITE_ID_BYTES_MAX {
        return Err(Error::Change(format!(
            "site_id of a change has {} bytes, and at most {SITE_ID_BYTES_MAX} are possible",
            site.len()
        )));
    }
    let is_local = site.is_empty() || state.is_own_site(site);
    Ok((!is_local).then_some(site))
}

fn read_key<'a>(state: &State, crr: &Crr, value: ValueRef<'a>) -> Result<(Key, &'a [u8])> {
    let refusal = |reason: &dyn std::fmt::Display| {
        Error::Change(format!(
            "pk of a change to table {} does not fit: {reason}",
            quoted(&crr.name)
        ))
    };
    let ValueRef::Blob(packed) = value else {
        return Err(refusal(&"it is not a BLOB made by crsql_pack_columns"));
    };
    if let Some(key) = state.held_key(crr.id, packed) {
        return Ok((key, packed));
    }
    let values = packed_key::unpack(packed)
        .map_err(|defect| refusal(&format!("it is no packed key, {defect}")))?;
    if values.len() != crr.key_columns.len() {
        let reason = format!(
            "it has {} values for {} key columns",
            values.len(),
            crr.key_columns.len()
        );
        return Err(refusal(&reason));
    }
    let mut stored = Vec::with_capacity(values.len());
    for (value, column) in values.into_iter().zip(&crr.key_columns) {
        let value = with_affinity(state, value, column.affinity)?;
        match value {
            Value::Null => return Err(refusal(&format!("{} can't be NULL", quoted(&column.name)))),
            Value::Integer(_) => {}
            _ if crr.is_rowid_keyed => {
                return Err(refusal(&format!(
                    "{} must be an INTEGER",
                    quoted(&column.name)
                )));
            }
            _ => {}
        }
        stored.push(value);
    }
    let key = crr.key_of_values(stored.iter().map(Value::as_ref))?;
    Ok((key, packed))
}

fn read_cell(
    state: &State,
    crr: &Crr,
    cid: &str,
    value: ValueRef<'_>,
) -> Result<Option<(usize, Value)>> {
    if cid == SENTINEL {
        return Ok(None);
    }
    let Some((index, Column { affinity, .. })) = crr.column(cid) else {
        return Err(Error::Change(format!(
            "table {} has no replicated column {} here; add it before merging its changes",
            quoted(&crr.name),
            quoted(cid)
        )));
    };
    Ok(Some((
        index,
        with_affinity(state, value.to_owned(), *affinity)?,
    )))
}

/// The value as a column of this affinity stores it.
fn with_affinity(state: &State, value: Value, affinity: Affinity) -> Result<Value> {
    let cast = |slot: Slot, value: &Value| {
        let cast = state.store.with(slot, |cast| {
            cast.first([value.as_ref()], |row| row.value(0).to_owned())
        })?;
        Ok::<Value, Error>(cast.unwrap_or(Value::Null))
    };
    let number = match (&value, affinity) {
        (_, Affinity::None) => return Ok(value),
        (Value::Integer(_) | Value::Real(_), Affinity::Text) => {
            return cast(Slot::CastText, &value);
        }
        (_, Affinity::Text) | (Value::Null | Value::Blob(_), _) => return Ok(value),
        (Value::Text(text), _) => match numeric_text(text) {
            NumericText::No => return Ok(value),
            NumericText::Integer(integer) => Value::Integer(integer),
            NumericText::Real => cast(Slot::CastReal, &value)?,
        },
        (Value::Integer(_) | Value::Real(_), _) => value,
    };
    Ok(match (number, affinity) {
        (Value::Integer(integer), Affinity::Real) => Value::Real(integer as f64),
        (Value::Real(real), Affinity::Numeric) => stored_number(real),
        (number, _) => number,
    })
}

/// SQLite stores a whole real in a numeric column as an integer, but for the two at the ends of the range.
fn stored_number(real: f64) -> Value {
    match whole_integer(real) {
        Some(integer) if integer != i64::MIN && integer != i64::MAX => Value::Integer(integer),
        _ => Value::Real(real),
    }
}
