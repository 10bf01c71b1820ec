//! Messages of `crsql_reconcile`: any bytes, and made-up ones that get past the checksum. A message is answered, or refused
//! and nothing is changed.

use crsql::crdt::change::{CausalLength, ColumnVersion};
use crsql::crdt::digest::Part;
use crsql::crdt::message::{
    Item, KeyRange, Message, PartSummary, Place, SentCell, SentNode, SentRow, TableRows,
    TableSummary,
};
use crsql::crdt::{key, order};
use rusqlite::{Connection, Result};

use super::changesets::passes_on;
use super::replica::{self, assert_captures, assert_clean, assert_sound, assert_state, state};
use super::values;
use crate::schedule::random::Random;
use crate::sealed;

/// The greatest answer.
const BYTES_MAX: i64 = 1 << 12;

pub fn run(data: &[u8]) {
    let &[form, ref rest @ ..] = data else {
        return;
    };
    match form % 8 {
        0 => give(rest),
        1 => give(&sealed::message([&[1], rest].concat())),
        _ => {
            let mut random = Random::from_bytes(rest);
            let message = made_up(&mut random);
            let mut bytes = message.encode();
            if let Ok(read) = Message::decode(&bytes) {
                assert_eq!(read, message);
            }
            if random.percent(50) {
                bytes.truncate(bytes.len() - 8);
                values::damage(&mut random, &mut bytes, 1);
                bytes = sealed::message(bytes);
            }
            give(&bytes);
        }
    }
}

fn made_up(random: &mut Random) -> Message {
    let rows = (0..random.below(4)).map(|_| rows(random)).collect();
    let items = (0..random.below(5)).map(|_| item(random)).collect();
    Message {
        round: random.below(300) as u64,
        rows,
        items,
    }
}

fn counter(random: &mut Random) -> u64 {
    match random.below(20) {
        0 => 1 << 53,
        _ => 1 + random.below(6) as u64,
    }
}

/// A packed key that most often fits.
fn packed(random: &mut Random, values: usize) -> Vec<u8> {
    let values = if random.percent(3) {
        random.below(4)
    } else {
        values
    };
    let values: Vec<_> = (0..values).map(|_| values::value(random)).collect();
    key::pack(values.iter().map(|value| value.as_ref()))
}

fn rows(random: &mut Random) -> TableRows {
    let (table, keys, columns) = replica::table(random);
    let sites = vec![vec![7; 16], vec![8; 16], vec![9]];
    let rows = (0..random.below(5)).map(|_| {
        let cells = (0..columns.len())
            .filter(|_| random.percent(70))
            .collect::<Vec<_>>();
        SentRow {
            hops: random.below(4) as u8,
            pk: packed(random, keys),
            cl: CausalLength(counter(random)),
            site: random.below(sites.len()),
            cells: cells
                .into_iter()
                .map(|column| SentCell {
                    column,
                    version: ColumnVersion(counter(random)),
                    site: random.below(sites.len()),
                    value: utf8(values::value(random)),
                })
                .collect(),
        }
    });
    TableRows {
        table: table.to_owned(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        rows: rows.collect(),
        sites,
    }
}

/// The value, -0.0 and all; text that is not UTF-8 goes as a BLOB, as a message can't be compared with such.
fn utf8(value: crsql::crdt::value::Value) -> crsql::crdt::value::Value {
    use crsql::crdt::value::Value;
    match value {
        Value::Text(text) if std::str::from_utf8(&text).is_err() => Value::Blob(text),
        other => other,
    }
}

fn short(random: &mut Random) -> [u8; 16] {
    [random.below(256) as u8; 16]
}

/// A bound of a range: a key of a live row or of a deleted one, the beginning, the end, or any bytes.
fn bound(random: &mut Random, values: usize) -> Vec<u8> {
    match random.below(6) {
        0 => order::FIRST.to_vec(),
        1 => order::LAST.to_vec(),
        2 => order::encode_packed(&packed(random, values)),
        3 => values::bytes(random),
        _ => {
            let values: Vec<_> = (0..values).map(|_| values::value(random)).collect();
            order::encode(values.iter().map(|value| value.as_ref()))
        }
    }
}

fn part(random: &mut Random) -> Part {
    match random.percent(60) {
        true => Part::Live,
        false => Part::Dead,
    }
}

fn range(random: &mut Random) -> (KeyRange, usize) {
    let (table, keys, _) = replica::table(random);
    let mut bounds = [bound(random, keys), bound(random, keys)];
    bounds.sort();
    let [low, high] = bounds;
    let range = KeyRange {
        table: table.to_lowercase(),
        part: part(random),
        low,
        high,
    };
    (range, keys)
}

fn item(random: &mut Random) -> Item {
    match random.below(5) {
        0 => Item::Start([random.below(256) as u8; 32]),
        1 => {
            let mut names: Vec<&str> = (0..random.below(4))
                .map(|_| replica::table(random).0)
                .collect();
            names.sort_unstable();
            names.dedup();
            let tables = names.into_iter().map(|table| {
                let part = |random: &mut Random| PartSummary {
                    rows: random.below(9) as u64,
                    digest: short(random),
                };
                TableSummary {
                    table: table.to_owned(),
                    columns: [random.below(256) as u8; 8],
                    parts: [part(random), part(random)],
                }
            });
            Item::Tables(String::new(), tables.collect())
        }
        2 => {
            let (range, keys) = range(random);
            let mut keys: Vec<Vec<u8>> = (0..random.below(5))
                .map(|_| bound(random, keys))
                .filter(|key| range.low < *key && *key <= range.high)
                .collect();
            keys.sort();
            keys.dedup();
            let nodes = keys.into_iter().map(|last| SentNode {
                last,
                level: random.below(3) as u8,
                digest: short(random),
            });
            Item::Nodes(range, nodes.collect())
        }
        3 => Item::Want(range(random).0),
        _ => {
            let (range, _) = range(random);
            Item::Rest(Place {
                table: range.table,
                part: range.part,
                key: range.low,
            })
        }
    }
}

fn answer(connection: &Connection, message: &[u8]) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT crsql_reconcile(?1, ?2)";
    connection.query_row(sql, (message, BYTES_MAX), |row| row.get(0))
}

fn give(message: &[u8]) {
    let read = Message::decode(message);
    let connection = replica::filled();
    let before = state(&connection);
    match answer(&connection, message) {
        Err(error) => {
            assert_clean(&error);
            assert_state(&connection, &before, &error.to_string());
        }
        Ok(said) => {
            let read = read.expect("what is answered can be read");
            assert_sound(&connection);
            if let Some(said) = said {
                let said = Message::decode(&said).expect("an answer");
                assert_eq!(said.round, read.round + 1);
            }
            let after = state(&connection);
            answer(&connection, message).expect("what was answered once");
            assert_state(&connection, &after, "the same again");
            passes_on(&connection);
        }
    }
    assert_captures(&connection);
}
