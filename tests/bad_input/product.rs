//! Every value of the corpus in every column of every sort of change; then two columns at a time.

use crate::checks::{check_partial, exec, one, text_of};
use crate::corpus::{bases, few_for_column, for_column};
use crate::fate::{Fate, fate};
use crate::support::COLUMNS;
use crate::{OWN_ROW, Row, State, TABLES, assert_intact, insert, prepared, state};
use rusqlite::Connection;

fn parked(connection: &Connection) -> i64 {
    one(connection, "SELECT count(*) FROM crsql_parked_changes")
}

/// Inserts the row and compares what becomes of it with what must. `before` is the state of the database.
fn insert_and_check(connection: &Connection, before: &State, row: &Row, context: &str) -> Fate {
    let expected = fate(row);
    let waiting = before.internal[0].len() as i64;
    match (insert(connection, row), &expected) {
        (Err(error), Fate::Refused(text)) => {
            let found = text_of(&error);
            assert!(found.starts_with(text), "{context}: {found}, not {text}");
            assert_eq!(state(connection), *before, "left behind by {context}");
            let rowid: i64 = one(connection, "SELECT last_insert_rowid()");
            assert_eq!(rowid, OWN_ROW, "{context}");
        }
        (Ok(_), Fate::Parked) => assert!(parked(connection) >= waiting.max(1), "{context}"),
        (Ok(_), Fate::Merged) => assert_eq!(parked(connection), waiting, "{context}"),
        (outcome, expected) => panic!("{context}: {outcome:?}, not {expected:?}"),
    }
    expected
}

fn write_own_row(connection: &Connection) {
    let sql = format!("INSERT OR REPLACE INTO t(k, a, b) VALUES ({OWN_ROW}, 'own', 0)");
    exec(connection, &sql);
}

/// Transactions with work before and after the row, which are rolled back.
struct Transactions<'c> {
    connection: &'c Connection,
    before: State,
    within: State,
}

impl<'c> Transactions<'c> {
    fn new(connection: &'c Connection) -> Self {
        let before = state(connection);
        Self::begin(connection);
        let within = state(connection);
        exec(connection, "ROLLBACK");
        Self {
            connection,
            before,
            within,
        }
    }

    fn begin(connection: &Connection) {
        exec(
            connection,
            "BEGIN; INSERT INTO t(k, a) VALUES (8888, 'earlier')",
        );
        write_own_row(connection);
    }

    fn give(&self, row: &Row, context: &str) {
        let connection = self.connection;
        Self::begin(connection);
        let fate = insert_and_check(connection, &self.within, row, context);
        if matches!(fate, Fate::Refused(_)) {
            let impact: i64 = one(connection, "SELECT crsql_rows_impacted()");
            assert_eq!(impact, 0, "{context}");
        }
        assert_intact(connection, context);
        assert!(
            !connection.is_autocommit(),
            "{context} ended the transaction"
        );
        exec(connection, "ROLLBACK");
        assert_eq!(
            state(connection),
            self.before,
            "rolled back after {context}"
        );
    }
}

#[test]
fn every_value_in_every_column() {
    for (sort, base) in bases() {
        let (connection, other) = (prepared(), prepared());
        let transactions = Transactions::new(&connection);
        for column in 0..COLUMNS.len() {
            for value in for_column(column) {
                let mut row = base.clone();
                row[column] = value;
                let shown: String = format!("{:?}", row[column]).chars().take(60).collect();
                let context = format!("{sort} with {} = {shown}", COLUMNS[column]);
                transactions.give(&row, &context);
                // Alone, and to stay.
                write_own_row(&other);
                insert_and_check(&other, &state(&other), &row, &context);
                assert!(other.is_autocommit(), "{context}: a transaction is open");
            }
            assert_intact(&other, sort);
        }
        drop(check_partial(&other, &TABLES));
    }
}

#[test]
fn two_wrong_columns_at_a_time() {
    let connection = prepared();
    let transactions = Transactions::new(&connection);
    let bases = bases();
    for first in 0..COLUMNS.len() {
        for second in first + 1..COLUMNS.len() {
            for (index, value) in few_for_column(first).into_iter().enumerate() {
                for other in few_for_column(second) {
                    let (sort, base) = &bases[index % bases.len()];
                    let mut row = base.clone();
                    (row[first], row[second]) = (value.clone(), other);
                    let shown = format!("{:?}, {:?}", row[first], row[second]);
                    let shown: String = shown.chars().take(120).collect();
                    let names = (COLUMNS[first], COLUMNS[second]);
                    transactions.give(&row, &format!("{sort} with {names:?} = {shown}"));
                }
            }
        }
    }
}

/// One wrong row among right ones undoes the statement, and nothing else of the transaction.
#[test]
fn a_wrong_row_undoes_its_statement() {
    let connection = prepared();
    let bases = bases();
    let mut refused = 0;
    for (column, (sort, base)) in bases.iter().enumerate().map(|(n, base)| (n % 9, base)) {
        for value in for_column(column) {
            let mut row = base.clone();
            row[column] = value;
            if !matches!(fate(&row), Fate::Refused(_)) {
                continue;
            }
            refused += 1;
            exec(
                &connection,
                "CREATE TEMP TABLE IF NOT EXISTS given(c0, c1, c2, c3, c4, c5, c6, c7, c8);
                 DELETE FROM given; BEGIN; INSERT INTO t(k, a) VALUES (8888, 'earlier')",
            );
            let before = state(&connection);
            let mut give = connection
                .prepare_cached("INSERT INTO given VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .expect("prepare");
            for given in bases.iter().map(|(_, right)| right).chain([&row]) {
                give.execute(rusqlite::params_from_iter(given))
                    .expect("give");
            }
            let error = connection
                .execute("INSERT INTO crsql_changes SELECT * FROM given", [])
                .expect_err(sort);
            assert!(text_of(&error).starts_with("crsql: "), "{sort}: {error}");
            let impact: i64 = one(&connection, "SELECT crsql_rows_impacted()");
            assert_eq!(impact, 0, "{sort}");
            // A site that was not known before may have got its number: it names nothing.
            let after = state(&connection);
            assert_eq!(
                (&after.tables, &after.changes),
                (&before.tables, &before.changes),
                "{sort}"
            );
            assert_intact(&connection, sort);
            exec(&connection, "ROLLBACK");
        }
    }
    assert!(refused > 40, "{refused} wrong rows");
}
