//! The functions that make keys: `crsql_uuid`, `crsql_uuid_blob`, `crsql_ulid`.
//!
//! They are innocuous, so that a column can have them as DEFAULT under any `trusted_schema`.

use crate::crdt::value::Value;
use crate::error::{Error, Result};
use crate::sqlite::randomness;
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::unique::RANDOM_BYTES;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// `crsql_uuid()` -> a UUID of version 7 as TEXT of 36 characters
pub fn uuid(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_uuid")?;
    let uuid = uuid::Uuid::from_bytes(next_uuid(state)?);
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    uuid.hyphenated().encode_lower(&mut text);
    Ok(Value::Text(text.to_vec()))
}

/// `crsql_uuid_blob()` -> a UUID of version 7 as BLOB of 16 bytes
pub fn uuid_blob(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_uuid_blob")?;
    Ok(Value::Blob(next_uuid(state)?.to_vec()))
}

/// `crsql_ulid()` -> a ULID as TEXT of 26 characters
pub fn ulid(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_ulid")?;
    let ulid = state.unique.borrow_mut().next_ulid(now(), random());
    ulid.map(|ulid| Value::Text(ulid.into_bytes()))
        .ok_or_else(past_its_time)
}

fn next_uuid(state: &State) -> Result<[u8; 16]> {
    let uuid = state.unique.borrow_mut().next_uuid(now(), random());
    uuid.ok_or_else(past_its_time)
}

fn expect_none(arguments: Arguments<'_>, name: &str) -> Result<()> {
    match arguments.is_empty() {
        true => Ok(()),
        false => Err(Error::Usage(format!("{name}() takes no arguments"))),
    }
}

/// Milliseconds since 1970; 0 for a clock before it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

fn random() -> [u8; RANDOM_BYTES] {
    let mut bytes = [0; RANDOM_BYTES];
    randomness(&mut bytes);
    bytes
}

fn past_its_time() -> Error {
    Error::Usage(
        "the clock of this machine is past the year 10889, which no key can hold; set it right"
            .to_owned(),
    )
}
