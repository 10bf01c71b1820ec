//! Writes made behind the extension's back, damaged metadata, and copied files: what is found, and what is mended.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "repair/adopted.rs"]
mod adopted;

#[path = "repair/copies.rs"]
mod copies;

#[path = "repair/damage.rs"]
mod damage;

#[path = "repair/tables_found.rs"]
mod tables_found;

use checks::{exec, one, rows};
use rusqlite::Connection;
use rusqlite::types::Value;

/// `table|key|problem` of every problem.
fn problems(connection: &Connection) -> Vec<String> {
    let sql = "SELECT coalesce(\"table\", '') || '|' || coalesce(key, '') || '|' || problem FROM crsql_check";
    let texts = rows(connection, sql);
    texts
        .into_iter()
        .map(|row| match &row[..] {
            [Value::Text(text)] => text.clone(),
            other => panic!("not one text: {other:?}"),
        })
        .collect()
}

/// Everything agrees, by both forms of the check.
fn assert_clean(connection: &Connection, context: &str) {
    assert_eq!(problems(connection), [""; 0], "{context}");
    assert_eq!(
        one::<String>(connection, "SELECT crsql_check()"),
        "ok",
        "{context}"
    );
}

/// Runs statements that nothing records.
fn unrecorded(connection: &Connection, sql: &str) {
    exec(
        connection,
        &format!("SELECT crsql_internal_sync_bit(1); {sql}; SELECT crsql_internal_sync_bit(0);"),
    );
}

/// What `crsql_adopt` gives.
fn adopt(connection: &Connection, table: &str) -> i64 {
    one(
        connection,
        &format!("SELECT crsql_adopt({})", checks::literal(table)),
    )
}
