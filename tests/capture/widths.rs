//! Which columns an update changed, for tables of all widths: the triggers hand over the values of few columns, and bit
//! sets of many.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{check, check_partial, exec, one, rows, upgrade};
use crate::dice::Dice;
use crate::support::{changes, open_memory};

/// On both sides of where the form of the triggers changes, for keys of one, two and forty-five columns.
const WIDTHS: [usize; 16] = [
    1, 2, 3, 4, 46, 47, 48, 49, 50, 61, 62, 63, 64, 124, 125, 200,
];

const TYPES: [&str; 6] = ["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"];

/// Equal ones of different classes among them, and different ones that look alike.
const VALUES: [&str; 16] = [
    "NULL",
    "0",
    "0.0",
    "-0.0",
    "1",
    "1.0",
    "'1'",
    "'1.0'",
    "x'31'",
    "''",
    "x''",
    "'a'",
    "'A'",
    "-9223372036854775808",
    "-9223372036854775808.0",
    "9007199254740993",
];

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.roll(bound as u64) as usize
    }
}

fn create(connection: &Connection, width: usize, key: usize) {
    let keys: Vec<String> = (0..key).map(|at| format!("k{at}")).collect();
    let mut columns: Vec<String> = match key {
        1 => vec!["k0 INTEGER PRIMARY KEY".to_owned()],
        _ => keys
            .iter()
            .map(|name| format!("{name} TEXT NOT NULL"))
            .collect(),
    };
    columns.extend((0..width).map(|at| format!("c{at} {}", TYPES[at % TYPES.len()])));
    if key > 1 {
        columns.push(format!("PRIMARY KEY ({})", keys.join(", ")));
    }
    exec(
        connection,
        &format!("CREATE TABLE t({})", columns.join(", ")),
    );
    upgrade(connection, "t");
    let values: Vec<String> = (0..key).map(|at| (at + 1).to_string()).collect();
    exec(
        connection,
        &format!(
            "INSERT INTO t({}) VALUES ({})",
            keys.join(", "),
            values.join(", ")
        ),
    );
}

/// The columns besides the key, by name.
fn cells(connection: &Connection, width: usize) -> Vec<(String, Value)> {
    let names: Vec<String> = (0..width).map(|at| format!("c{at}")).collect();
    let row = rows(connection, &format!("SELECT {} FROM t", names.join(", ")));
    names.into_iter().zip(row[0].clone()).collect()
}

/// Updates a few columns, and compares what is reported with what the row was and is.
fn update_and_compare(connection: &Connection, width: usize, dice: &mut Dice) {
    let columns: BTreeSet<usize> = (0..=dice.below(4)).map(|_| dice.below(width)).collect();
    let sets: Vec<String> = columns
        .iter()
        .map(|at| format!("c{at} = {}", VALUES[dice.below(VALUES.len())]))
        .collect();
    let sql = format!("UPDATE t SET {}", sets.join(", "));
    let before = cells(connection, width);
    let since: i64 = one(connection, "SELECT crsql_db_version()");
    exec(connection, &sql);
    let after = cells(connection, width);
    let changed: Vec<&String> = before
        .iter()
        .zip(&after)
        // 0.0 is -0.0 here, as in SQL.
        .filter(|(before, after)| before.1 != after.1)
        .map(|(before, _)| &before.0)
        .collect();
    let reported = changes(connection, since);
    let reported: Vec<&String> = reported.iter().map(|change| &change.cid).collect();
    assert_eq!(reported, changed, "{width} columns: {sql}");
}

#[test]
fn an_update_reports_the_columns_that_changed_whatever_the_width() {
    let mut dice = Dice(7);
    for encoding in ["UTF-8", "UTF-16le"] {
        for width in WIDTHS {
            for key in [1, 2, 45] {
                let origin = open_memory_as(encoding);
                create(&origin, width, key);
                for _ in 0..25 {
                    update_and_compare(&origin, width, &mut dice);
                }
                check(&origin, &["t"]);
            }
        }
    }
}

/// Added columns take a table from one form of its triggers to the next, in the middle of a transaction too.
#[test]
fn an_update_reports_the_columns_that_changed_while_a_table_grows() {
    let mut dice = Dice(8);
    for (from, to) in [(0, 3), (45, 51), (60, 65)] {
        let origin = open_memory();
        create(&origin, from, 1);
        for width in from + 1..=to {
            let default = ["", " DEFAULT 0.0", " DEFAULT 'a'"][dice.below(3)];
            let type_name = TYPES[(width - 1) % TYPES.len()];
            let add = format!(
                "ALTER TABLE t ADD COLUMN c{} {type_name}{default}",
                width - 1
            );
            exec(&origin, &format!("BEGIN; {add}"));
            update_and_compare(&origin, width, &mut dice);
            exec(&origin, "COMMIT");
            for _ in 0..8 {
                update_and_compare(&origin, width, &mut dice);
            }
        }
        check_partial(&origin, &["t"]);
    }
}

fn open_memory_as(encoding: &str) -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    exec(&connection, &format!("PRAGMA encoding = '{encoding}'"));
    crate::support::load(&connection).expect("the extension");
    connection
}
