//! A row inserted into `crsql_changes`, checked against this database before anything is done.

use crate::crdt::change::{
    COUNTER_MAX, CausalLength, Claim, ColumnVersion, DbVersion, SENTINEL, SITE_ID_BYTES_MAX, Seq,
    column,
};
use crate::crdt::key as packed_key;
use crate::crdt::value::{
    NumericText, Value, ValueRef, is_stored_form, numeric_text, whole_integer,
};
use crate::error::{Error, Result};
use crate::schema::{Column, Crr, Key, KeyColumn};
use crate::sql::{self, quoted};
use crate::state::State;
use std::borrow::Cow;
use std::rc::Rc;

/// A change that was checked against this database.
pub(super) struct Incoming<'a> {
    pub(super) crr: Rc<Crr>,
    /// None if it is that of the held row, which came as the same bytes
    pub(super) key: Option<Key>,
    /// The key as it came
    pub(super) pk: &'a [u8],
    /// The index in `crr.columns` and the value as the column stores it; none for a sentinel
    pub(super) cell: Option<(usize, CellValue<'a>)>,
    pub(super) claim: Claim,
    pub(super) cl: CausalLength,
    pub(super) version: DbVersion,
    pub(super) seq: Seq,
    /// None is this database
    pub(super) site: Option<&'a [u8]>,
    /// Whether this database's own id stood in the change
    pub(super) is_signed_as_own: bool,
}

/// The value of a cell as its column stores it.
pub(super) enum CellValue<'a> {
    /// As it came
    Same(ValueRef<'a>),
    /// Converted by the column's affinity
    Converted(Value),
}

impl CellValue<'_> {
    pub(super) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            CellValue::Same(value) => *value,
            CellValue::Converted(value) => value.as_ref(),
        }
    }
}

impl Incoming<'_> {
    /// The key, where it is not known from the held row.
    pub(super) fn read_key(&self, state: &State) -> Result<Key> {
        match &self.key {
            Some(key) => Ok(key.clone()),
            None => Ok(read_key(state, &self.crr, ValueRef::Blob(self.pk))?.0),
        }
    }

    /// Whether the change, as it was not known here, shows that another file has this database's id.
    pub(super) fn is_sign_of_copy(&self) -> bool {
        let cell = self.cell.as_ref();
        let may_be_forgotten = cell.is_some_and(|(index, _)| may_be_forgotten(&self.crr, *index));
        self.is_signed_as_own && !may_be_forgotten
    }
}

/// A database knows all that it wrote, but for the cells of columns that were dropped: a column that rows got later,
/// under an id that has run ahead of its place, may have had a namesake.
pub(super) fn may_be_forgotten(crr: &Crr, index: usize) -> bool {
    let column = crr.columns.get(index);
    column.is_some_and(|column| column.late.is_some() && column.id.0 as usize > index)
}

/// A row of `crsql_changes` as values, by the indexes of `change::column`.
pub type Row<'a> = [ValueRef<'a>; column::COUNT];

/// What came.
pub(super) enum Received<'a> {
    /// A change of a table and column that are here
    Change(Incoming<'a>),
    /// A change of a table that is not here
    UnknownTable(Box<Unknown<'a>>),
    /// A change of a column that is not here, and what it says of its row
    UnknownColumn(Incoming<'a>, Box<Unknown<'a>>),
}

/// A change of a table or column that is not here.
pub(super) struct Unknown<'a> {
    pub(super) table: Cow<'a, str>,
    pub(super) cid: Cow<'a, str>,
    pub(super) pk: &'a [u8],
    pub(super) claim: ColumnVersion,
    pub(super) cl: CausalLength,
    pub(super) version: DbVersion,
    pub(super) seq: Seq,
    pub(super) site: Option<&'a [u8]>,
    /// What an error would say
    pub(super) missing: String,
}

/// Checks a row inserted into `crsql_changes`.
pub(super) fn read<'a>(state: &State, row: &Row<'a>) -> Result<Received<'a>> {
    let table = read_text(row[column::TABLE], "table")?;
    let cid = read_text(row[column::CID], "cid")?;
    let cl = CausalLength(read_counter(row[column::CL], column::CL, "cl")?);
    let claim = read_counter(row[column::COL_VERSION], column::COL_VERSION, "col_version")?;
    let claim = ColumnVersion(claim);
    let version = read_counter(row[column::DB_VERSION], column::DB_VERSION, "db_version")?;
    let version = DbVersion(version);
    let seq = Seq(read_counter(row[column::SEQ], column::SEQ, "seq")?);
    let signed = read_site(row[column::SITE_ID])?;
    let crr = match state.latest_table(table)? {
        Some(crr) => Some(crr),
        None => state.table_by_any_name(&String::from_utf8_lossy(table))?,
    };
    let is_signed_as_own = signed.is_some_and(|site| state.is_verified_own_site(site));
    let site = signed.filter(|_| !is_signed_as_own);
    let unknown = |missing, pk| {
        Box::new(Unknown {
            table: String::from_utf8_lossy(table),
            cid: String::from_utf8_lossy(cid),
            pk,
            claim,
            cl,
            version,
            seq,
            site,
            missing,
        })
    };
    let Some(crr) = crr else {
        let table = String::from_utf8_lossy(table);
        let missing = format!(
            "there is no replicated table {} here; make it and call SELECT crsql_as_crr({})",
            quoted(&table),
            sql::literal(&table)
        );
        let (pk, _) = read_packed(&table, row[column::PK])?;
        return Ok(Received::UnknownTable(unknown(missing, pk)));
    };
    let crr = state.registered(&crr, None)?;
    let (key, pk) = match row[column::PK] {
        ValueRef::Blob(packed) if state.is_held(crr.id, packed) => (None, packed),
        value => {
            let (key, pk) = read_key(state, &crr, value)?;
            (Some(key), pk)
        }
    };
    let mut change = Incoming {
        crr,
        key,
        pk,
        cell: None,
        claim: Claim::Sentinel,
        cl,
        version,
        seq,
        site,
        is_signed_as_own,
    };
    if cid == SENTINEL.as_bytes() {
        return Ok(Received::Change(change));
    }
    let Some((index, Column { affinity, .. })) = change.crr.next_column_named(cid) else {
        let missing = missing_column(&change.crr, &String::from_utf8_lossy(cid))?;
        return Ok(Received::UnknownColumn(change, unknown(missing, pk)));
    };
    let value = row[column::VAL];
    let value = match is_stored_form(value, *affinity) {
        true => CellValue::Same(value),
        false => CellValue::Converted(state.store.with_affinity(value.to_owned(), *affinity)?),
    };
    change.cell = Some((index, value));
    change.claim = Claim::Cell(claim);
    Ok(Received::Change(change))
}

/// What to do about a column that is not here; an error if it is here and never replicated.
fn missing_column(crr: &Crr, cid: &str) -> Result<String> {
    let is_key = crr.key_names().any(|name| name.eq_ignore_ascii_case(cid));
    if is_key
        || crr
            .computed
            .iter()
            .any(|name| name.eq_ignore_ascii_case(cid))
    {
        return Err(Error::Change(format!(
            "the column {} of table {} is {}, which no change can be about",
            quoted(cid),
            quoted(&crr.name),
            if is_key {
                "part of the key"
            } else {
                "generated"
            }
        )));
    }
    Ok(format!(
        "table {} has no replicated column {} here; add it",
        quoted(&crr.name),
        quoted(cid)
    ))
}

fn read_text<'a>(value: ValueRef<'a>, column: &str) -> Result<&'a [u8]> {
    match value {
        ValueRef::Text(text) => Ok(text),
        _ => Err(Error::Change(format!(
            "{column} of a change must be a text"
        ))),
    }
}

fn read_counter(value: ValueRef<'_>, index: usize, column: &str) -> Result<u64> {
    let number = match value {
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

/// The site that stands in the change, if one does.
fn read_site(value: ValueRef<'_>) -> Result<Option<&[u8]>> {
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
    Ok((!site.is_empty()).then_some(site))
}

pub(super) fn key_refusal(table: &str, reason: &str) -> Error {
    Error::Change(format!(
        "pk of a change to table {} does not fit: {reason}",
        quoted(table)
    ))
}

/// The bytes of a packed key, and its values.
fn read_packed<'a>(table: &str, value: ValueRef<'a>) -> Result<(&'a [u8], Vec<Value>)> {
    let ValueRef::Blob(packed) = value else {
        let reason = "it is not a BLOB made by crsql_pack_columns";
        return Err(key_refusal(table, reason));
    };
    let values = packed_key::unpack(packed)
        .map_err(|defect| key_refusal(table, &format!("it is no packed key, {defect}")))?;
    Ok((packed, values))
}

/// The key in these bytes if its values are as the table stores them, which they mostly are.
fn read_plain_key(crr: &Crr, packed: &[u8]) -> Result<Option<Key>> {
    let mut values = Vec::with_capacity(crr.key_columns.len());
    let is_read = packed_key::unpack_into(packed, &mut values).is_ok();
    let is_plain = |(value, column): (&ValueRef<'_>, &KeyColumn)| {
        let is_integer = matches!(value, ValueRef::Integer(_));
        !matches!(value, ValueRef::Null)
            && is_stored_form(*value, column.affinity)
            && (is_integer || !crr.is_rowid_keyed)
    };
    let fits = is_read && values.len() == crr.key_columns.len();
    if !fits || !values.iter().zip(&crr.key_columns).all(is_plain) {
        return Ok(None);
    }
    crr.key_of_values(values.into_iter()).map(Some)
}

fn read_key<'a>(state: &State, crr: &Crr, value: ValueRef<'a>) -> Result<(Key, &'a [u8])> {
    let refusal = |reason: &str| key_refusal(&crr.name, reason);
    if let ValueRef::Blob(packed) = value
        && let Some(key) = read_plain_key(crr, packed)?
    {
        return Ok((key, packed));
    }
    let (packed, values) = read_packed(&crr.name, value)?;
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
        let value = state.store.with_affinity(value, column.affinity)?;
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
