//! What holds for every database with replicated tables, whatever was written to it, and the small
//! helpers the tests say it with.
//!
//! The oracle is the base table alone: changes are checked against it and replicas are compared by
//! it. The packed key is decoded here a second time on purpose, so that a wrong packer is seen.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Error};

use crate::support::{Change, changes, merge, open_memory};

/// Runs statements that must succeed.
pub fn exec(connection: &Connection, sql: &str) {
    connection
        .execute_batch(sql)
        .unwrap_or_else(|error| panic!("{error}\n{}", shortened(sql)));
}

/// The first column of the first row.
pub fn one<T: FromSql>(connection: &Connection, sql: &str) -> T {
    connection
        .query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{error}\n{}", shortened(sql)))
}

/// Every row of a query.
pub fn rows(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{error}\n{}", shortened(sql)));
    let columns = statement.column_count();
    statement
        .query_map([], |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .and_then(Iterator::collect)
        .unwrap_or_else(|error| panic!("{error}\n{}", shortened(sql)))
}

/// The whole text of the error that a statement must give.
pub fn refusal(connection: &Connection, sql: &str) -> String {
    let outcome = connection.prepare(sql).and_then(|mut statement| {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    });
    match outcome {
        Ok(()) => panic!("no error from\n{}", shortened(sql)),
        Err(error) => text_of(&error),
    }
}

/// SQLite's text of an error, without what rusqlite puts around it.
pub fn text_of(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(text)) => text.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// An identifier as SQL text.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal as SQL text.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Upgrades a table that must be accepted.
pub fn upgrade(connection: &Connection, table: &str) {
    let answer: String = one(
        connection,
        &format!("SELECT crsql_as_crr({})", literal(table)),
    );
    assert_eq!(answer, "OK", "crsql_as_crr of {table}");
}

/// Creates the table and upgrades it.
pub fn create_crr(connection: &Connection, table: &str, create: &str) {
    exec(connection, create);
    upgrade(connection, table);
}

fn shortened(sql: &str) -> String {
    sql.chars().take(2000).collect()
}

/// The columns of a table as capture sees them.
struct Columns {
    /// In the order of the PRIMARY KEY clause, with the affinity that decides how a key is packed.
    key: Vec<(String, bool)>,
    data: Vec<String>,
}

fn columns(connection: &Connection, table: &str) -> Columns {
    let sql = format!(
        "SELECT name, pk, hidden, type FROM pragma_table_xinfo({}) ORDER BY pk, cid",
        literal(table)
    );
    let mut found = Columns {
        key: Vec::new(),
        data: Vec::new(),
    };
    for row in rows(connection, &sql) {
        let [
            Value::Text(name),
            Value::Integer(pk),
            Value::Integer(hidden),
            Value::Text(kind),
        ] = &row[..]
        else {
            panic!("unexpected table_xinfo row {row:?}");
        };
        let kind = kind.to_ascii_uppercase();
        let is_real = ["REAL", "FLOA", "DOUB"]
            .iter()
            .any(|part| kind.contains(part));
        match (*pk, *hidden) {
            (0, 0) => found.data.push(name.clone()),
            (0, _) => {}
            _ => found.key.push((name.clone(), is_real)),
        }
    }
    found
}

/// A key value in the one form all equal keys have: integral reals are integers unless the column
/// itself is REAL, and there is one zero.
fn key_value(value: Value, is_real: bool) -> Value {
    match value {
        Value::Real(0.0) if is_real => Value::Real(0.0),
        // 2^63 as a REAL has no integer counterpart, -2^63 has.
        Value::Real(real)
            if !is_real
                && real.fract() == 0.0
                && (-(2f64.powi(63))..2f64.powi(63)).contains(&real) =>
        {
            Value::Integer(real as i64)
        }
        other => other,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Real(0.0) => "Real(0.0)".to_owned(), // both zeros compare equal, neither replaces the other
        other => format!("{other:?}"),
    }
}

/// The content of a table, one text a row, sorted. Keys that SQLite holds equal are one text; all
/// other values keep their storage class.
pub fn content(connection: &Connection, table: &str) -> Vec<String> {
    let keys: BTreeMap<_, _> = columns(connection, table).key.into_iter().collect();
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {}", quoted(table)))
        .expect("read the table");
    let names: Vec<String> = statement.column_names().map(ToString::to_string).collect();
    let mut found: Vec<String> = statement
        .query_map([], |row| {
            let mut text = String::new();
            for (index, name) in names.iter().enumerate() {
                let value: Value = row.get(index)?;
                let value = match keys.get(name) {
                    Some(&is_real) => key_value(value, is_real),
                    None => value,
                };
                text.push_str(&shown(&value));
                text.push('|');
            }
            Ok(text)
        })
        .and_then(Iterator::collect)
        .expect("read the table");
    found.sort();
    found
}

/// Both databases hold the same rows.
pub fn assert_same(left: &Connection, right: &Connection, tables: &[&str], context: &str) {
    for table in tables {
        let (left, right) = (content(left, table), content(right, table));
        if left != right {
            let only_left: Vec<_> = left
                .iter()
                .filter(|row| !right.contains(row))
                .take(5)
                .collect();
            let only_right: Vec<_> = right
                .iter()
                .filter(|row| !left.contains(row))
                .take(5)
                .collect();
            panic!(
                "{context}: {table} differs\n only left: {only_left:#?}\n only right: {only_right:#?}"
            );
        }
    }
}

/// A fresh database with the same tables, upgraded and empty; no triggers, no secondary indexes.
pub fn empty_replica(origin: &Connection, tables: &[&str]) -> Connection {
    let replica = open_memory();
    exec(&replica, "BEGIN");
    for table in tables {
        let create: String = one(
            origin,
            &format!(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = {}",
                literal(table)
            ),
        );
        exec(&replica, &create);
        upgrade(&replica, table);
    }
    exec(&replica, "COMMIT");
    replica
}

/// Checks everything that holds for a database whose rows were all written whole, and gives back the
/// replica that was rebuilt from its changes alone.
pub fn check(origin: &Connection, tables: &[&str]) -> Connection {
    let replica = check_partial(origin, tables);
    let all = changes(origin, 0);
    for table in tables {
        let data = columns(origin, table).data;
        let mut cells: BTreeMap<&[u8], usize> = BTreeMap::new();
        for change in all.iter().filter(|change| change.table == *table) {
            if change.cl % 2 == 1 && change.cid != "-1" {
                assert!(
                    data.contains(&change.cid),
                    "{table} has no data column {}",
                    change.cid
                );
                *cells.entry(&change.pk).or_default() += 1;
            }
        }
        for (key, count) in cells {
            assert_eq!(
                count,
                data.len(),
                "cells reported of row {key:02x?} of {table}"
            );
        }
    }
    replica
}

/// Like `check`, for databases in which a row may have arrived without all of its cells.
pub fn check_partial(origin: &Connection, tables: &[&str]) -> Connection {
    let all = changes(origin, 0);
    check_order(origin, &all);
    for table in tables {
        check_live_keys(origin, table, &all);
    }
    let replica = empty_replica(origin, tables);
    merge(&replica, &all);
    assert_same(origin, &replica, tables, "rebuilt from the changes alone");
    assert_eq!(
        identities(origin, tables, &all),
        identities(&replica, tables, &changes(&replica, 0)),
        "changes of the rebuilt replica"
    );
    if all.len() < 1000 {
        let backwards = empty_replica(origin, tables);
        let reversed: Vec<Change> = all.iter().rev().cloned().collect();
        merge(&backwards, &reversed);
        assert_same(
            origin,
            &backwards,
            tables,
            "rebuilt from the changes in reverse order",
        );
    }
    assert_eq!(one::<String>(origin, "PRAGMA integrity_check"), "ok");
    // A database that met its own id elsewhere says so, and is sound all the same.
    let problems = "SELECT * FROM crsql_check WHERE problem <> 'site id used elsewhere'";
    assert_eq!(rows(origin, problems), [] as [Vec<Value>; 0], "crsql_check");
    assert_eq!(
        one::<i64>(origin, "SELECT crsql_internal_sync_bit()"),
        0,
        "sync bit"
    );
    replica
}

/// (db_version, seq) ascends strictly without ORDER BY, no cell is reported twice, and no change is
/// younger than the database says it is.
fn check_order(origin: &Connection, all: &[Change]) {
    for pair in all.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|change| (change.db_version, change.seq));
        assert!(before < after, "order of {:?} and {:?}", pair[0], pair[1]);
    }
    let mut seen = BTreeSet::new();
    for change in all {
        assert!(
            seen.insert((&change.table, &change.pk, &change.cid)),
            "reported twice: {change:?}"
        );
        assert!(!change.site_id.is_empty(), "no author: {change:?}");
        if change.cid == "-1" {
            assert_eq!(
                (change.col_version, &change.val),
                (change.cl, &Value::Null),
                "{change:?}"
            );
        } else {
            assert_eq!(change.cl % 2, 1, "a deleted row has a cell: {change:?}");
        }
    }
    if origin.is_autocommit() {
        let version: i64 = one(origin, "SELECT crsql_db_version()");
        let newest = all.last().map_or(0, |change| change.db_version);
        assert!(
            newest <= version,
            "change of version {newest} in a database at {version}"
        );
    }
}

/// The keys of the rows are exactly the keys whose changes say that the row lives, all with one cl.
fn check_live_keys(origin: &Connection, table: &str, all: &[Change]) {
    let key = columns(origin, table).key;
    let names: Vec<String> = key.iter().map(|(name, _)| quoted(name)).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), quoted(table));
    let normal = |values: Vec<Value>| -> String {
        let pairs = values.into_iter().zip(&key);
        pairs
            .map(|(value, &(_, is_real))| shown(&key_value(value, is_real)) + "|")
            .collect()
    };
    let stored: BTreeSet<String> = rows(origin, &sql).into_iter().map(normal).collect();
    let mut lengths: BTreeMap<String, i64> = BTreeMap::new();
    for change in all.iter().filter(|change| change.table == table) {
        let values = unpack(&change.pk);
        assert_eq!(values.len(), key.len(), "values in the key of {change:?}");
        let cl = *lengths.entry(normal(values)).or_insert(change.cl);
        assert_eq!(cl, change.cl, "two causal lengths of one row: {change:?}");
    }
    let live: BTreeSet<String> = lengths
        .into_iter()
        .filter(|(_, cl)| cl % 2 == 1)
        .map(|(key, _)| key)
        .collect();
    assert!(
        stored == live,
        "{table}: rows without changes {:?}, changes without row {:?}",
        stored.difference(&live).take(5).collect::<Vec<_>>(),
        live.difference(&stored).take(5).collect::<Vec<_>>()
    );
}

/// What two databases that hold the same events agree on: not the local stamps, not the sentinels of
/// first lives (they are implied by the cells) and not the author of a sentinel.
pub fn identities(connection: &Connection, tables: &[&str], all: &[Change]) -> BTreeSet<String> {
    let with_data: BTreeMap<&str, bool> = tables
        .iter()
        .map(|table| (*table, !columns(connection, table).data.is_empty()))
        .collect();
    all.iter()
        .filter(|change| {
            let implied = change.cid == "-1" && change.cl == 1;
            !(implied
                && with_data
                    .get(change.table.as_str())
                    .copied()
                    .unwrap_or(true))
        })
        .map(|change| {
            let Change {
                table,
                pk,
                cid,
                val,
                col_version,
                site_id,
                cl,
                ..
            } = change;
            let site: &[u8] = if cid == "-1" { &[] } else { site_id };
            format!(
                "{table:?} {pk:02x?} {cid:?} {} {col_version} {cl} {site:02x?}",
                shown(val)
            )
        })
        .collect()
}

/// Decodes a packed key; panics on anything but the canonical form.
pub fn unpack(packed: &[u8]) -> Vec<Value> {
    fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, left) = rest
            .split_at_checked(count)
            .expect("a packed key that is long enough");
        *rest = left;
        taken
    }
    fn unsigned(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
    let mut rest = packed;
    let count = take(&mut rest, 1)[0];
    let mut values = Vec::new();
    for _ in 0..count {
        let tag = take(&mut rest, 1)[0];
        let width = usize::from(tag >> 3);
        values.push(match tag & 7 {
            1 => Value::Integer(unsigned(take(&mut rest, width)) as i64),
            2 => Value::Real(f64::from_bits(unsigned(take(&mut rest, 8)))),
            3 | 4 => {
                let length = unsigned(take(&mut rest, width)) as usize;
                let bytes = take(&mut rest, length).to_vec();
                match tag & 7 {
                    3 => Value::Text(String::from_utf8(bytes).expect("UTF-8 in a packed key")),
                    _ => Value::Blob(bytes),
                }
            }
            5 => Value::Null,
            other => panic!("type {other} in packed key {packed:02x?}"),
        });
    }
    assert!(
        rest.is_empty(),
        "trailing bytes in packed key {packed:02x?}"
    );
    values
}

/// A replica that only ever pulls what is newer than what it has seen, as clients do.
pub struct Follower {
    pub replica: Connection,
    seen: i64,
    tables: Vec<String>,
}

impl Follower {
    /// A replica that starts empty.
    pub fn new(origin: &Connection, tables: &[&str]) -> Self {
        Self {
            replica: empty_replica(origin, tables),
            seen: 0,
            tables: tables.iter().map(ToString::to_string).collect(),
        }
    }

    /// Pulls what is new, compares, and says how many changes came.
    pub fn pull(&mut self, origin: &Connection, context: &str) -> usize {
        let news = changes(origin, self.seen);
        merge(&self.replica, &news);
        self.seen = news.last().map_or(self.seen, |change| change.db_version);
        let tables: Vec<&str> = self.tables.iter().map(String::as_str).collect();
        assert_same(
            origin,
            &self.replica,
            &tables,
            &format!("incremental pull after {context}"),
        );
        news.len()
    }
}
