//! Packed keys: what the decoder makes of any bytes, and that SQL says the same; the order of keys in the trees.

use std::cmp::Ordering;

use crsql::crdt::value::Value;
use crsql::crdt::{key, order};
use rusqlite::{Connection, params_from_iter};

use super::replica::{self, assert_clean};
use super::values::{self, Bound, same, taken};
use crate::schedule::random::Random;

/// SQLite gives no function more arguments than this.
const ARGUMENTS_MAX: usize = 100;

thread_local! {
    static CONNECTION: Connection = replica::empty();
}

pub fn run(data: &[u8]) {
    decode(data);
    let mut random = Random::from_bytes(data);
    let values: Vec<Value> = (0..random.between(0, 5))
        .map(|_| values::value(&mut random))
        .collect();
    let packed = key::pack(values.iter().map(Value::as_ref));
    let is_text =
        |value: &Value| !matches!(value, Value::Text(text) if std::str::from_utf8(text).is_err());
    if values.iter().all(is_text) {
        let back = key::unpack(&packed).expect("what was packed");
        assert!(all_same(&back, &values), "{values:?}: {back:?}");
    }
    decode(&packed);
    sorts_as_sqlite(&mut random);
}

fn all_same(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| same(left, right))
}

fn decode(data: &[u8]) {
    let unpacked = key::unpack(data);
    let sql = CONNECTION.with(|connection| unpack_by_sql(connection, data));
    match (&unpacked, &sql) {
        (Ok(values), Ok(by_sql)) => {
            assert!(all_same(values, by_sql), "{values:?}: {by_sql:?}");
            let packed = key::pack(values.iter().map(Value::as_ref));
            assert!(packed.len() <= data.len(), "{values:?} grows");
            let again = key::unpack(&packed).expect("what was packed");
            assert!(all_same(&again, values), "{values:?}: {again:?}");
            assert_eq!(key::split_first(data), Ok((data, &[][..])));
            let row = [&packed[..], data].concat();
            assert_eq!(key::split_first(&row), Ok((&packed[..], data)));
            if values.len() <= ARGUMENTS_MAX {
                assert_eq!(
                    CONNECTION.with(|connection| pack_by_sql(connection, values)),
                    packed
                );
            }
        }
        (Err(defect), Err(error)) => {
            assert_clean(error);
            let text = error.to_string();
            assert!(text.contains(&defect.to_string()), "{defect:?}: {text}");
        }
        _ => panic!("{unpacked:?}, but in SQL {sql:?}"),
    }
}

fn unpack_by_sql(connection: &Connection, data: &[u8]) -> rusqlite::Result<Vec<Value>> {
    let mut statement = connection.prepare_cached("SELECT cell FROM crsql_unpack_columns(?1)")?;
    let cells = statement.query_map([data], |row| Ok(taken(row.get_ref(0)?)));
    cells?.collect()
}

fn pack_by_sql(connection: &Connection, values: &[Value]) -> Vec<u8> {
    let places = vec!["?"; values.len()].join(", ");
    connection
        .query_row(
            &format!("SELECT crsql_pack_columns({places})"),
            params_from_iter(values.iter().cloned().map(Bound)),
            |row| row.get(0),
        )
        .expect("pack")
}

/// Two keys sort in the trees as in an index of SQLite.
fn sorts_as_sqlite(random: &mut Random) {
    let mut part = || loop {
        let value = values::value(random);
        if value != Value::Null {
            return value;
        }
    };
    let (left, right) = ([part(), part()], [part(), part()]);
    let sorted = |key: &[Value; 2]| order::encode(key.iter().map(Value::as_ref));
    let found = sorted(&left).cmp(&sorted(&right));
    let all = left.iter().chain(&right).cloned().map(Bound);
    let expected: i64 = CONNECTION.with(|connection| {
        connection
            .query_row(
                "SELECT ((?1, ?2) > (?3, ?4)) - ((?1, ?2) < (?3, ?4))",
                params_from_iter(all),
                |row| row.get(0),
            )
            .expect("compare")
    });
    assert_eq!(found, expected.cmp(&0), "{left:?} {right:?}");
    if found == Ordering::Equal {
        return;
    }
    let back = order::decode(&sorted(&left), 2).expect("what was encoded");
    assert_eq!(order::encode(back.iter().map(Value::as_ref)), sorted(&left));
}
