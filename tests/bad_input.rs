//! Changes that are wrong: refused with a text that says what to do, or parked; never half done.
//!
//! The same wrong change comes as a row of `crsql_changes`, in a changeset and in a message of
//! `crsql_reconcile`, and each must take the same decision.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "bad_input/bounds.rs"]
mod bounds;
#[path = "bad_input/corpus.rs"]
mod corpus;
#[path = "bad_input/crafted.rs"]
mod crafted;
#[path = "bad_input/fate.rs"]
mod fate;
#[path = "bad_input/obstacles.rs"]
mod obstacles;
#[path = "bad_input/product.rs"]
mod product;

use checks::{exec, one, rows};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use support::{Change, changes, open_memory};

/// A row for `crsql_changes`.
type Row = [Value; 9];

/// The replicated tables of `prepared`.
const TABLES: [&str; 3] = ["t", "pair", "strict"];

/// A key of `t` that no change of the corpus is about.
const OWN_ROW: i64 = 7777;

/// Some tables with a live and a deleted row each.
fn prepared() -> Connection {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, g AS (k + 1));
         CREATE TABLE pair(org TEXT NOT NULL, n INT NOT NULL, a, PRIMARY KEY (n, org));
         CREATE TABLE strict(k TEXT PRIMARY KEY NOT NULL, i INT, s TEXT) STRICT;
         CREATE TABLE ordinary(k INTEGER PRIMARY KEY, a);
         SELECT crsql_as_crr('t'); SELECT crsql_as_crr('pair'); SELECT crsql_as_crr('strict');
         INSERT INTO t(k, a, b) VALUES (1, 'one', 1), (2, 'two', 2), (7777, 'own', 0);
         DELETE FROM t WHERE k = 2;
         INSERT INTO pair VALUES ('x', 1, 'one'), ('x', 2, 'two');
         DELETE FROM pair WHERE n = 2;
         INSERT INTO strict VALUES ('a', 1, 's'), ('b', 1, 's');
         DELETE FROM strict WHERE k = 'b'",
    );
    connection
}

/// Everything that a refused change must leave as it is.
#[derive(Debug, Clone, PartialEq)]
struct State {
    tables: Vec<Vec<Vec<Value>>>,
    changes: Vec<Change>,
    internal: Vec<Vec<Vec<Value>>>,
    version: i64,
}

fn state(connection: &Connection) -> State {
    let internal = [
        "SELECT * FROM crsql_parked_changes",
        "SELECT * FROM crsql_site_id",
        "SELECT * FROM crsql_master",
    ];
    State {
        tables: TABLES
            .map(|table| rows(connection, &format!("SELECT * FROM {table}")))
            .to_vec(),
        changes: changes(connection, 0),
        internal: internal.map(|sql| rows(connection, sql)).to_vec(),
        version: one(connection, "SELECT crsql_db_version()"),
    }
}

fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("INSERT INTO crsql_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params_from_iter(row.iter()))
}

/// Local writes are recorded, and nothing is left on or damaged.
fn assert_intact(connection: &Connection, context: &str) {
    let bit: i64 = one(connection, "SELECT crsql_internal_sync_bit()");
    assert_eq!(bit, 0, "sync bit after {context}");
    // A change under this database's own id is reported from then on, and is no damage.
    let problems = "SELECT * FROM crsql_check WHERE problem <> 'site id used elsewhere'";
    let problems = rows(connection, problems);
    assert!(problems.is_empty(), "{context}: {problems:?}");
    let number: i64 = one(connection, &format!("SELECT b FROM t WHERE k = {OWN_ROW}"));
    exec(
        connection,
        &format!("UPDATE t SET b = b + 1 WHERE k = {OWN_ROW}"),
    );
    let recorded: i64 = one(
        connection,
        &format!(
            "SELECT count(*) FROM crsql_changes WHERE \"table\" = 't' AND cid = 'b' AND val = {} \
             AND pk = crsql_pack_columns({OWN_ROW}) AND site_id = crsql_site_id()",
            number + 1
        ),
    );
    assert_eq!(recorded, 1, "a local write after {context}");
}
