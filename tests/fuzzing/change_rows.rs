//! Rows inserted into `crsql_changes`, with values of every type in every column. Each is merged, waits, or is refused and
//! changes nothing; the order in which rows come does not matter.

use crsql::crdt::key;
use crsql::crdt::value::Value;
use rusqlite::{Connection, params_from_iter};

use super::changesets::passes_on;
use super::replica::{
    self, assert_captures, assert_clean, assert_sound, assert_state, digest, state,
};
use super::values::{self, Bound};
use crate::schedule::random::Random;

const INSERT: &str = "INSERT INTO crsql_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

type Row = [Value; 9];

pub fn run(data: &[u8]) {
    let mut random = Random::from_bytes(data);
    let unknown = *random.pick(&["park", "park", "reject"]);
    let rows: Vec<Row> = (0..random.between(1, 10))
        .map(|_| row(&mut random))
        .collect();
    let connection = prepared(unknown);
    let is_transaction = random.percent(30);
    if is_transaction {
        connection.execute_batch("BEGIN").expect("begin");
    }
    let mut accepted = Vec::new();
    for row in rows {
        let before = state(&connection);
        match insert(&connection, &row) {
            Ok(()) => accepted.push(row),
            Err(error) => {
                assert_clean(&error);
                assert_state(&connection, &before, &error.to_string());
            }
        }
    }
    if is_transaction {
        connection.execute_batch("COMMIT").expect("commit");
    }
    assert_sound(&connection);
    assert_captures(&connection);
    let merged = state(&connection);
    let again = accepted.iter().all(|row| insert(&connection, row).is_ok());
    if again {
        assert_state(&connection, &merged, "the same again");
    }
    // A replica that begins a second life writes all its cells. Where a made-up row tells of one cell alone, what the others
    // hold depends on whether the deletion in between was seen.
    let is_first_life = |row: &Row| matches!(row[7], Value::Integer(..=2));
    if accepted.iter().all(is_first_life) {
        random.shuffle(&mut accepted);
        another_order(&connection, unknown, &accepted);
    }
    passes_on(&connection);
}

fn prepared(unknown: &str) -> Connection {
    let connection = replica::filled();
    connection
        .query_row(
            "SELECT crsql_config_set('unknown-changes', ?1)",
            [unknown],
            |_| Ok(()),
        )
        .expect("a setting");
    connection
}

fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let values = params_from_iter(row.iter().cloned().map(Bound));
    connection.prepare_cached(INSERT)?.execute(values).map(drop)
}

/// The same rows in another order make the same replica, unless a constraint refuses one that would lose later on.
fn another_order(connection: &Connection, unknown: &str, rows: &[Row]) {
    let other = prepared(unknown);
    other.execute_batch("BEGIN").expect("begin");
    for row in rows {
        if let Err(error) = insert(&other, row) {
            return assert_clean(&error);
        }
    }
    other.execute_batch("COMMIT").expect("commit");
    assert_eq!(
        digest(&other),
        digest(connection),
        "in another order: {rows:?}"
    );
    assert_sound(&other);
}

fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

fn counter(random: &mut Random, least: i64) -> Value {
    Value::Integer(least + random.below(4) as i64)
}

/// A row that most often fits in most columns.
fn row(random: &mut Random) -> Row {
    let (table, keys, columns) = replica::table(random);
    let values: Vec<Value> = (0..keys)
        .map(|_| match random.below(3) {
            0 => values::value(random),
            1 => Value::Integer(random.below(4) as i64),
            _ => text(["a", "b", "1"][random.below(3)]),
        })
        .collect();
    let column = match random.below(8) {
        0 => "-1",
        1 => "unknown",
        other if columns.is_empty() => ["-1", "none"][other % 2],
        other => columns[other % columns.len()],
    };
    let mut row = [
        text(table),
        Value::Blob(key::pack(values.iter().map(Value::as_ref))),
        text(column),
        values::value(random),
        counter(random, 0),
        counter(random, 0),
        Value::Blob(vec![random.below(3) as u8 + 1; 16]),
        match random.percent(20) {
            true => counter(random, 1),
            false => Value::Integer(1 + random.below(2) as i64),
        },
        counter(random, 0),
    ];
    if random.percent(30) {
        let at = random.below(row.len());
        row[at] = match &row[at] {
            Value::Blob(bytes) if random.percent(60) => {
                let mut bytes = bytes.clone();
                values::damage(random, &mut bytes, 0);
                Value::Blob(bytes)
            }
            Value::Text(text) if random.percent(60) => Value::Text(text.to_ascii_uppercase()),
            Value::Integer(number) if random.percent(40) => text(&format!("{number}")),
            Value::Integer(number) if random.percent(30) => Value::Real(*number as f64),
            _ => values::value(random),
        };
    }
    row
}
