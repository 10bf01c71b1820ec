//! Ordered lists: `crsql_fract_as_ordered`, the view it makes, and what replicas and schema changes do to them.
//!
//! The oracle is a list in memory: whatever was inserted and moved, the table sorted by position has its order.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "schedule/random.rs"]
#[allow(dead_code, reason = "schedules need more of it")]
mod random;

#[path = "fract/lists.rs"]
mod lists;

#[path = "fract/replicas.rs"]
mod replicas;

#[path = "fract/schema.rs"]
mod schema;

use checks::{exec, one, rows};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The values of one column, as texts.
fn column(connection: &Connection, sql: &str) -> Vec<String> {
    rows(connection, sql)
        .into_iter()
        .map(|row| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            Some(Value::Integer(integer)) => integer.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

/// Orders a table that must be accepted.
fn order(connection: &Connection, arguments: &str) {
    let answer: Option<i64> = one(
        connection,
        &format!("SELECT crsql_fract_as_ordered({arguments})"),
    );
    assert_eq!(answer, None, "crsql_fract_as_ordered({arguments})");
}

/// The names of all objects that belong to ordered tables.
fn objects(connection: &Connection) -> Vec<String> {
    column(
        connection,
        "SELECT name FROM sqlite_schema WHERE name LIKE '%fractindex%' ORDER BY name",
    )
}

/// The objects of one ordered table.
fn objects_of(table: &str) -> Vec<String> {
    let mut names = vec![
        format!("__crsql_{table}_fractindex_columns"),
        format!("__crsql_{table}_fractindex_ezmove"),
        format!("__crsql_{table}_fractindex_pend_trig"),
        format!("{table}_fractindex"),
        format!("{table}_fractindex_insert_trig"),
        format!("{table}_fractindex_move_trig"),
        format!("{table}_fractindex_update_trig"),
    ];
    names.sort();
    names
}

/// Creates a table and orders it.
fn ordered(connection: &Connection, create: &str, arguments: &str) {
    exec(connection, create);
    order(connection, arguments);
}
