//! Changesets through SQL: made, streamed, looked into, and applied by connections that load the extension.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "changeset/apply.rs"]
mod apply;
#[path = "changeset/batches.rs"]
mod batches;
/// The pure half of the library, compiled into the test: the library itself would bring a second SQLite along.
#[path = "../src/crdt/mod.rs"]
#[allow(dead_code, unused_imports, missing_docs)] // only what makes changesets is used here
mod crdt;
#[path = "changeset/given_up.rs"]
mod given_up;
#[path = "changeset/hostile.rs"]
mod hostile;
#[path = "changeset/parts.rs"]
mod parts;
#[path = "changeset/random.rs"]
mod random;
#[path = "changeset/refused_parts.rs"]
mod refused_parts;
#[path = "support/sealed.rs"]
mod sealed;
#[path = "changeset/slices.rs"]
mod slices;
mod support;

#[path = "support/dice.rs"]
mod dice;
#[path = "changeset/triggers.rs"]
mod triggers;

use rusqlite::{Connection, Result};

/// A replica with a table `t` of two columns.
fn replica() -> Connection {
    replica_of("CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b); SELECT crsql_as_crr('t');")
}

fn replica_of(schema: &str) -> Connection {
    let connection = support::open_memory();
    run(&connection, schema);
    connection
}

fn run(connection: &Connection, sql: &str) {
    connection
        .execute_batch(sql)
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// The rows of a query as text.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("a query");
    let count = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..count).map(|index| Ok(format!("{:?}", row.get_ref(index)?)));
        Ok(cells.collect::<Result<Vec<_>>>()?.join(" "))
    });
    rows.and_then(|rows| rows.collect()).expect("rows")
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

fn changeset(connection: &Connection, since: i64) -> Vec<u8> {
    connection
        .query_row("SELECT crsql_changeset(?1)", [since], |row| row.get(0))
        .expect("a changeset")
}

fn apply(connection: &Connection, changeset: &[u8]) -> Result<i64> {
    connection.query_row("SELECT crsql_apply(?1)", [changeset], |row| row.get(0))
}

/// A changeset of a stream, with what the stream says of it.
#[derive(Debug, Clone)]
struct Streamed {
    data: Vec<u8>,
    first_version: i64,
    last_version: i64,
    last_seq: i64,
    complete: bool,
}

fn stream(connection: &Connection, since: (i64, Option<i64>), max_bytes: i64) -> Vec<Streamed> {
    connection
        .prepare(
            "SELECT data, first_version, last_version, last_seq, complete
             FROM crsql_changesets(?1, NULL, ?2, ?3)",
        )
        .and_then(|mut statement| {
            let rows = statement.query_map((since.0, max_bytes, since.1), |row| {
                Ok(Streamed {
                    data: row.get(0)?,
                    first_version: row.get(1)?,
                    last_version: row.get(2)?,
                    last_seq: row.get(3)?,
                    complete: row.get(4)?,
                })
            })?;
            rows.collect()
        })
        .expect("a stream")
}
