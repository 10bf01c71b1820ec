//! The SQL functions: their names, their arguments, and which part of the extension does the work.

use crate::capture;
use crate::changeset;
use crate::crdt::change::{DbVersion, VERSION_FOLLOWED_MAX};
use crate::crdt::key::{self, KEY_VALUES_MAX};
use crate::crdt::value::{NumericText, Value, ValueRef, numeric_text};
use crate::digest;
use crate::error::{Error, Result};
use crate::fract;
use crate::keys;
use crate::migrate::{self, session};
use crate::reconcile;
use crate::repair;
use crate::sqlite::Connection;
use crate::sqlite::function::{Body, Form, Gate, Step, Trust, register, unregister};
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::state::settings::{PARK, REJECT};
use crate::upgrade;
use std::rc::Rc;

/// The only schema whose tables are replicated.
const MAIN: &str = "main";

const MERGE_EQUAL_VALUES: &str = "merge-equal-values";

const UNKNOWN_CHANGES: &str = "unknown-changes";

/// Every function that needs the connection's state.
const FUNCTIONS: &[(&str, Trust, Body<State>)] = &[
    ("crsql_as_crr", Trust::DirectOnly, as_crr),
    ("crsql_as_table", Trust::DirectOnly, as_table),
    ("crsql_begin_alter", Trust::DirectOnly, begin_alter),
    ("crsql_commit_alter", Trust::DirectOnly, commit_alter),
    (
        "crsql_automigrate",
        Trust::DirectOnly,
        migrate::automigrate::automigrate,
    ),
    ("crsql_site_id", Trust::Innocuous, site_id),
    ("crsql_db_version", Trust::Innocuous, db_version),
    ("crsql_next_db_version", Trust::Innocuous, next_db_version),
    ("crsql_get_seq", Trust::Innocuous, get_seq),
    (
        "crsql_increment_and_get_seq",
        Trust::Innocuous,
        increment_and_get_seq,
    ),
    ("crsql_rows_impacted", Trust::Innocuous, rows_impacted),
    ("crsql_config_set", Trust::DirectOnly, config_set),
    ("crsql_config_get", Trust::Innocuous, config_get),
    (
        "crsql_internal_sync_bit",
        Trust::Innocuous,
        internal_sync_bit,
    ),
    ("crsql_pack_columns", Trust::Pure, pack_columns),
    ("crsql_finalize", Trust::DirectOnly, finalize),
    (
        "crsql_capture_existing",
        Trust::Innocuous,
        capture::existing,
    ),
    ("crsql_capture_insert", Trust::Innocuous, capture::insert),
    ("crsql_capture_update", Trust::Innocuous, capture::update),
    (
        "crsql_capture_update_set",
        Trust::Innocuous,
        capture::update_set,
    ),
    ("crsql_capture_before", Trust::Innocuous, capture::before),
    ("crsql_capture_after", Trust::Innocuous, capture::after),
    ("crsql_capture_delete", Trust::Innocuous, capture::delete),
    (
        "crsql_fract_as_ordered",
        Trust::DirectOnly,
        fract::as_ordered,
    ),
    ("crsql_fract_key_between", Trust::Pure, fract::key_between),
    (
        "crsql_fract_fix_conflict_return_old_key",
        Trust::Innocuous,
        fract::fix_conflict,
    ),
    ("crsql_version", Trust::Pure, version),
    ("crsql_digest", Trust::DirectOnly, digest::digest),
    ("crsql_reconcile", Trust::DirectOnly, reconcile::reconcile),
    ("crsql_changeset", Trust::DirectOnly, changeset::changeset),
    ("crsql_apply", Trust::DirectOnly, changeset::apply),
    (
        "crsql_changeset_info",
        Trust::Pure,
        changeset::changeset_info,
    ),
    ("crsql_upgrade", Trust::DirectOnly, upgrade::upgrade),
    ("crsql_after_insert", Trust::Innocuous, upgrade::replaced),
    ("crsql_after_update", Trust::Innocuous, upgrade::replaced),
    ("crsql_after_delete", Trust::Innocuous, upgrade::replaced),
    ("crsql_nextdbversion", Trust::Innocuous, upgrade::replaced),
    ("crsql_update_site_id", Trust::Innocuous, upgrade::replaced),
    ("crsql_check", Trust::DirectOnly, repair::check_function),
    ("crsql_adopt", Trust::DirectOnly, repair::adopt_function),
    (
        "crsql_site_id_reset",
        Trust::DirectOnly,
        repair::site_id_reset_function,
    ),
    ("crsql_uuid", Trust::Innocuous, keys::uuid),
    ("crsql_uuid_blob", Trust::Innocuous, keys::uuid_blob),
    ("crsql_ulid", Trust::Innocuous, keys::ulid),
];

/// Those that work on any file. All others are refused where cr-sqlite keeps the file.
const ON_ANY_FILE: [&str; 8] = [
    "crsql_upgrade",
    "crsql_version",
    "crsql_pack_columns",
    "crsql_changeset_info",
    "crsql_finalize",
    "crsql_uuid",
    "crsql_uuid_blob",
    "crsql_ulid",
];

/// Those of the triggers of updates and deletes, which without triggers of the application need no statement journal.
const STEPS: [&str; 3] = [
    "crsql_capture_update",
    "crsql_capture_update_set",
    "crsql_capture_delete",
];

/// Registers them all.
pub fn register_all(connection: Connection, state: &Rc<State>) -> Result<()> {
    let step = Form::Step(Step {
        on_error: capture::after_error,
        wants_journal: capture::wants_journal,
    });
    let step = match capture::finds_other_triggers(state) {
        true => Form::Scalar,
        false => step,
    };
    FUNCTIONS.iter().try_for_each(|(name, trust, body)| {
        let gate: Option<Gate<State>> = match ON_ANY_FILE.contains(name) {
            true => None,
            false => Some(State::check_layout),
        };
        let form = match STEPS.contains(name) {
            true => step,
            false => Form::Scalar,
        };
        register(connection, name, (form, *trust), state, gate, *body)
    })
}

/// Takes the registrations back.
pub fn unregister_all(connection: Connection) {
    FUNCTIONS
        .iter()
        .for_each(|(name, ..)| unregister(connection, name));
}

fn usage<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Usage(text.into()))
}

fn expect_none(arguments: Arguments<'_>, name: &str) -> Result<()> {
    match arguments.is_empty() {
        true => Ok(()),
        false => usage(format!("{name}() takes no arguments")),
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// The table in `([schema,] table)`.
fn table_name(arguments: Arguments<'_>, function: &str) -> Result<String> {
    let usage_text = || format!("call {function}('table') or {function}('main', 'table')");
    let (schema, table) = match arguments.len() {
        1 => (Some(MAIN.to_owned()), text(arguments.get(0))),
        2 => (text(arguments.get(0)), text(arguments.get(1))),
        _ => return usage(usage_text()),
    };
    let (Some(schema), Some(table)) = (schema, table) else {
        return usage(format!(
            "the name of a table must be a text; {}",
            usage_text()
        ));
    };
    if !schema.eq_ignore_ascii_case(MAIN) {
        return usage(format!(
            "only tables of the main database can be replicated, and {schema:?} is another schema; {}",
            usage_text()
        ));
    }
    Ok(table)
}

fn ok() -> Value {
    Value::Text(b"OK".to_vec())
}

/// `crsql_as_crr([schema,] table)` -> 'OK'
fn as_crr(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    migrate::as_crr(state, &table_name(arguments, "crsql_as_crr")?)?;
    Ok(ok())
}

/// `crsql_as_table([schema,] table)` -> NULL
fn as_table(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if arguments.len() == 1 && arguments.get(0) == ValueRef::Null {
        return Ok(Value::Null);
    }
    migrate::as_table(state, &table_name(arguments, "crsql_as_table")?)?;
    Ok(Value::Null)
}

/// `crsql_begin_alter([schema,] table)` -> 'OK'
fn begin_alter(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    session::begin(state, &table_name(arguments, "crsql_begin_alter")?)?;
    Ok(ok())
}

/// `crsql_commit_alter([schema,] table)` or `crsql_commit_alter(schema, table, flag)` -> NULL. The flag is for
/// programs that say they only added columns: nothing depends on it.
fn commit_alter(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let names = if arguments.len() == 3 {
        arguments.take(2)
    } else {
        arguments
    };
    session::commit(state, &table_name(names, "crsql_commit_alter")?)?;
    Ok(Value::Null)
}

/// `crsql_site_id()` -> BLOB of 16 bytes
fn site_id(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_site_id")?;
    Ok(Value::Blob(state.site_id()?))
}

/// `crsql_db_version()` -> the highest committed version
fn db_version(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_db_version")?;
    Ok(Value::Integer(state.committed_version()?.to_sql()))
}

/// `crsql_next_db_version([at_least])` -> the version of the open transaction's next change
fn next_db_version(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if arguments.len() == 1 {
        let wish = arguments.integer(0).max(0);
        let wish = DbVersion(wish as u64);
        if wish > VERSION_FOLLOWED_MAX {
            return usage(format!(
                "a version can be raised to at most {} (2^52)",
                VERSION_FOLLOWED_MAX.0
            ));
        }
        if wish > state.pending_version()? {
            state.wish_version(wish)?;
            return Ok(Value::Integer(wish.to_sql()));
        }
    }
    Ok(Value::Integer(state.pending_version()?.to_sql()))
}

/// `crsql_get_seq()` -> the next seq of the open transaction
fn get_seq(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_get_seq")?;
    Ok(Value::Integer(state.next_seq().to_sql()))
}

/// `crsql_increment_and_get_seq()` -> the next seq, which is then taken
fn increment_and_get_seq(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_increment_and_get_seq")?;
    state.enlist()?;
    Ok(Value::Integer(state.reserve(1)?.seq.to_sql()))
}

/// `crsql_rows_impacted()` -> changes that merges of the open transaction applied
fn rows_impacted(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    expect_none(arguments, "crsql_rows_impacted")?;
    Ok(Value::Integer(state.rows_impacted()))
}

/// A setting by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    MergeEqualValues,
    UnknownChanges,
}

fn setting(arguments: Arguments<'_>, count: usize, signature: &str) -> Result<Setting> {
    if arguments.len() != count {
        return usage(format!("call {signature}"));
    }
    match text(arguments.get(0)).as_deref() {
        Some(MERGE_EQUAL_VALUES) => Ok(Setting::MergeEqualValues),
        Some(UNKNOWN_CHANGES) => Ok(Setting::UnknownChanges),
        Some(name) => usage(format!(
            "there is no setting {name:?}; there are '{MERGE_EQUAL_VALUES}' and '{UNKNOWN_CHANGES}'"
        )),
        None => usage(format!(
            "the name of a setting must be a text; call {signature}"
        )),
    }
}

/// `crsql_config_set(name, value)` -> value
fn config_set(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let setting = setting(
        arguments,
        2,
        "crsql_config_set('merge-equal-values', 0 or 1) or crsql_config_set('unknown-changes', 'park' or 'reject')",
    )?;
    if setting == Setting::UnknownChanges {
        let value = text(arguments.get(1)).filter(|value| [PARK, REJECT].contains(&value.as_str()));
        let Some(value) = value else {
            return usage(format!(
                "'{UNKNOWN_CHANGES}' must be '{PARK}' or '{REJECT}'"
            ));
        };
        state.set_refuses_unknown(value == REJECT)?;
        return Ok(Value::Text(value.into_bytes()));
    }
    let value = match arguments.get(1) {
        ValueRef::Integer(value) => Some(value),
        ValueRef::Text(text) => match numeric_text(text) {
            NumericText::Integer(value) => Some(value),
            _ => None,
        },
        _ => None,
    };
    match value {
        Some(value @ (0 | 1)) => {
            state.set_merge_equal_values(value == 1)?;
            Ok(Value::Integer(value))
        }
        _ => usage(format!("'{MERGE_EQUAL_VALUES}' must be 0 or 1")),
    }
}

/// `crsql_config_get(name)` -> its value
fn config_get(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    Ok(
        match setting(arguments, 1, "crsql_config_get('merge-equal-values')")? {
            Setting::MergeEqualValues => Value::Integer(i64::from(state.merges_equal_values()?)),
            Setting::UnknownChanges => {
                let value = if state.refuses_unknown()? {
                    REJECT
                } else {
                    PARK
                };
                Value::Text(value.as_bytes().to_vec())
            }
        },
    )
}

/// `crsql_internal_sync_bit([bit])` -> the bit; while it is not 0, local writes are not recorded
fn internal_sync_bit(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if arguments.len() == 1 {
        state.set_sync_bit(arguments.integer(0));
    }
    Ok(Value::Integer(state.sync_bit()))
}

/// `crsql_pack_columns(value, ...)` -> BLOB in the form of `crsql_changes.pk`
fn pack_columns(_state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if arguments.len() > KEY_VALUES_MAX {
        return usage(format!(
            "crsql_pack_columns takes at most {KEY_VALUES_MAX} values"
        ));
    }
    Ok(Value::Blob(key::pack(arguments.iter())))
}

/// `crsql_finalize()` -> 'finalized'; a connection closes as well without it
fn finalize(state: &Rc<State>, _arguments: Arguments<'_>) -> Result<Value> {
    state.flush()?;
    state.release_statements();
    Ok(Value::Text(b"finalized".to_vec()))
}

/// `crsql_version()` -> major * 10000 + minor * 100 + patch
fn version(_state: &Rc<State>, _arguments: Arguments<'_>) -> Result<Value> {
    let part = |text: &str| text.parse::<i64>().unwrap_or_default();
    let number = part(env!("CARGO_PKG_VERSION_MAJOR")) * 10_000
        + part(env!("CARGO_PKG_VERSION_MINOR")) * 100
        + part(env!("CARGO_PKG_VERSION_PATCH"));
    Ok(Value::Integer(number))
}
