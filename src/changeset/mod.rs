//! The SQL interface of changesets: making them, looking into them, applying them.

mod blobs;
mod gather;
mod info;
mod rows;
mod source;

pub use blobs::Changesets;
pub use rows::ChangesetRows;

use crate::apply::{changeset as merge, slices};
use crate::crdt::change::{COUNTER_MAX, DbVersion, Position, Seq};
use crate::crdt::changeset::Reader;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sqlite::value::Arguments;
use crate::state::State;
use gather::{Wanted, gather};
use std::rc::Rc;
use std::time::Duration;

/// The level at which zstd compresses quickly and well; its own default.
const LEVEL: i64 = 3;

/// The highest level that zstd has.
const LEVEL_MAX: i64 = 22;

/// A changeset of a stream has about so many bytes.
const BYTES_MAX: i64 = 1 << 22;

/// A slice of more than an hour is no slice.
const MS_MAX: i64 = 3_600_000;

/// What the arguments of `crsql_changeset` and `crsql_changesets` ask for. NULL is the default of each.
fn wanted(
    since: ValueRef<'_>,
    not_site: ValueRef<'_>,
    bytes_max: ValueRef<'_>,
    since_seq: ValueRef<'_>,
    level: ValueRef<'_>,
) -> Result<Wanted> {
    let since = number(since, 0, 0, COUNTER_MAX, "since")?;
    let seq = match since_seq {
        ValueRef::Null => None,
        given => Some(Seq(number(given, 0, 0, COUNTER_MAX, "since_seq")? as u64)),
    };
    let not_site = match not_site {
        ValueRef::Null => None,
        ValueRef::Blob(site) => Some(site.to_vec()),
        _ => {
            return Err(Error::Usage(
                "exclude_site must be a site id, a BLOB, or NULL".to_owned(),
            ));
        }
    };
    Ok(Wanted {
        after: (DbVersion(since as u64), seq),
        not_site,
        bytes_max: number(bytes_max, BYTES_MAX, 1, i64::MAX, "max_bytes")? as usize,
        level: number(level, LEVEL, 0, LEVEL_MAX, "compression")? as i32,
    })
}

fn number(value: ValueRef<'_>, default: i64, least: i64, most: i64, name: &str) -> Result<i64> {
    match value {
        ValueRef::Null => Ok(default),
        ValueRef::Integer(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(Error::Usage(format!(
            "{name} must be an integer from {least} to {most}"
        ))),
    }
}

/// Where the log ends now.
fn end_of_log(state: &State) -> Result<Position> {
    state.flush_keeping_rowid()?;
    let last = state.or_empty(|| state.store.last_position())?;
    Ok(last.unwrap_or_default())
}

/// `crsql_changeset(since [, exclude_site [, compression]])` -> BLOB
pub fn changeset(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if !(1..=3).contains(&arguments.len()) {
        return Err(Error::Usage(
            "call crsql_changeset(since [, exclude_site [, compression]])".to_owned(),
        ));
    }
    let mut wanted = wanted(
        arguments.get(0),
        arguments.get(1),
        ValueRef::Null,
        ValueRef::Null,
        arguments.get(2),
    )?;
    wanted.bytes_max = usize::MAX;
    let end = end_of_log(state)?;
    Ok(Value::Blob(gather(state, &wanted, end)?.data))
}

/// The changeset, none for NULL; `most` is how many arguments there may be.
fn blob<'a>(arguments: Arguments<'a>, most: usize, call: &str) -> Result<Option<&'a [u8]>> {
    let is_fitting = (1..=most).contains(&arguments.len());
    match arguments.get(0) {
        ValueRef::Null if is_fitting => Ok(None),
        ValueRef::Blob(bytes) if is_fitting => Ok(Some(bytes)),
        _ => Err(Error::Usage(format!(
            "call {call} with a BLOB that crsql_changeset made"
        ))),
    }
}

/// `crsql_apply(changeset [, max_ms])` -> number of changes that won
pub fn apply(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let Some(bytes) = blob(arguments, 2, "crsql_apply(changeset [, max_ms])")? else {
        return Ok(Value::Null);
    };
    let won = match arguments.len() {
        2 if arguments.get(1) != ValueRef::Null => {
            let limit = number(arguments.get(1), 0, 1, MS_MAX, "max_ms")?;
            slices::apply(state, bytes, Duration::from_millis(limit as u64))?
        }
        _ => merge::apply(state, bytes)?,
    };
    Ok(Value::Integer(won))
}

/// `crsql_changeset_info(changeset)` -> JSON
pub fn changeset_info(_state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let Some(bytes) = blob(arguments, 1, "crsql_changeset_info(changeset)")? else {
        return Ok(Value::Null);
    };
    let reader = Reader::open(bytes).map_err(Error::changeset)?;
    Ok(Value::Text(info::json(reader.header(), bytes.len()).into()))
}
