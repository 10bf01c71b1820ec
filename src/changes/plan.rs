//! How a query on `crsql_changes` is served: which comparisons narrow the scan of the log.
//!
//! The log is in the order of (db_version, seq), so a range of versions is a range scan, and rows come in
//! that order. Table, key and site are compared before a row of the table is looked at. SQLite checks every
//! comparison again, so each use here may let too much through, but never too little.

use crate::crdt::change::column;
use crate::crdt::value::{Value, ValueRef, whole_integer};
use crate::sqlite::query::{Comparison, OrderTerm, Query};
use crate::sqlite::value::Arguments;

/// A comparison that is used, as one letter of the plan's text; its value is an argument of the scan.
const USES: [(char, usize, Comparison); 15] = [
    ('a', column::DB_VERSION, Comparison::Equal),
    ('b', column::DB_VERSION, Comparison::Greater),
    ('c', column::DB_VERSION, Comparison::GreaterOrEqual),
    ('d', column::DB_VERSION, Comparison::Less),
    ('e', column::DB_VERSION, Comparison::LessOrEqual),
    ('f', column::SEQ, Comparison::Equal),
    ('g', column::SEQ, Comparison::Greater),
    ('h', column::SEQ, Comparison::GreaterOrEqual),
    ('i', column::SEQ, Comparison::Less),
    ('j', column::SEQ, Comparison::LessOrEqual),
    ('k', column::SITE_ID, Comparison::Equal),
    ('l', column::SITE_ID, Comparison::Is),
    ('m', column::SITE_ID, Comparison::IsNot),
    ('n', column::TABLE, Comparison::Equal),
    ('o', column::PK, Comparison::Equal),
];

/// Assumed sizes of the log and of what a comparison leaves of it, for SQLite's planner.
const ROWS_ALL: f64 = 1e6;
const ROWS_OF_RANGE: f64 = 1e4;
const ROWS_OF_VERSION: f64 = 100.0;
const NARROWING: f64 = 10.0;

/// Chooses the comparisons and tells SQLite what comes of them.
pub(super) fn choose(query: &mut Query<'_>) {
    let mut rows = ROWS_ALL;
    let mut is_one_version = false;
    for constraint in query.constraints() {
        let used = USES.iter().find(|(_, column, comparison)| {
            constraint.column == *column as i32 && constraint.comparison == *comparison
        });
        let Some((letter, column, comparison)) = used else {
            continue;
        };
        query.use_constraint(constraint);
        query.plan(&letter.to_string());
        rows = match (*column, comparison) {
            (column::DB_VERSION, Comparison::Equal) => rows.min(ROWS_OF_VERSION),
            (column::DB_VERSION, _) => rows.min(ROWS_OF_RANGE),
            (column::SITE_ID, Comparison::IsNot) => rows,
            _ => (rows / NARROWING).max(1.0),
        };
        is_one_version |= *column == column::DB_VERSION && *comparison == Comparison::Equal;
    }
    query.set_estimate(rows, rows as i64);
    if is_log_order(&query.order(), is_one_version) {
        query.set_ordered();
    }
}

/// Whether the order asked for is that of the log. (db_version, seq) is unique, so what follows it is idle.
fn is_log_order(order: &[OrderTerm], is_one_version: bool) -> bool {
    let is = |index: usize, column: usize| {
        order
            .get(index)
            .is_some_and(|term| term.column == column as i32 && !term.is_descending)
    };
    let starts_with_version = is(0, column::DB_VERSION) && (order.len() == 1 || is(1, column::SEQ));
    starts_with_version || (is_one_version && is(0, column::SEQ))
}

/// A range of whole numbers; empty if `low` is above `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Range {
    const ALL: Range = Range {
        low: 0,
        high: i64::MAX,
    };
    const NONE: Range = Range { low: 1, high: 0 };

    pub(super) fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// Narrows the range by a comparison with `value`, as far as that is a whole number.
    fn narrow(&mut self, comparison: Comparison, value: ValueRef<'_>) {
        let number = match value {
            ValueRef::Integer(number) => number,
            ValueRef::Real(real) => match whole_integer(real) {
                Some(number) => number,
                None => return,
            },
            // Nothing compares to NULL.
            ValueRef::Null => {
                *self = Range::NONE;
                return;
            }
            ValueRef::Text(_) | ValueRef::Blob(_) => return,
        };
        match comparison {
            Comparison::Equal => {
                self.low = self.low.max(number);
                self.high = self.high.min(number);
            }
            Comparison::Greater => match number.checked_add(1) {
                Some(next) => self.low = self.low.max(next),
                None => *self = Range::NONE,
            },
            Comparison::GreaterOrEqual => self.low = self.low.max(number),
            Comparison::Less => match number.checked_sub(1) {
                Some(previous) => self.high = self.high.min(previous),
                None => *self = Range::NONE,
            },
            Comparison::LessOrEqual => self.high = self.high.min(number),
            Comparison::Is | Comparison::IsNot | Comparison::Other => {}
        }
    }
}

/// What a scan looks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    pub(super) versions: Range,
    pub(super) seqs: Range,
    pub(super) site: Option<Vec<u8>>,
    pub(super) not_site: Option<Vec<u8>>,
    pub(super) table: Option<String>,
    pub(super) pk: Option<Vec<u8>>,
}

impl Search {
    /// Reads the plan's text and the values that go with it.
    pub(super) fn read(plan: &str, arguments: Arguments<'_>) -> Search {
        let mut search = Search {
            versions: Range::ALL,
            seqs: Range::ALL,
            site: None,
            not_site: None,
            table: None,
            pk: None,
        };
        for (index, letter) in plan.chars().enumerate() {
            let Some((_, column, comparison)) = USES.iter().find(|(known, ..)| *known == letter)
            else {
                continue;
            };
            search.narrow(*column, *comparison, arguments.get(index));
        }
        search
    }

    fn narrow(&mut self, column: usize, comparison: Comparison, value: ValueRef<'_>) {
        match (column, comparison, value.to_owned()) {
            (column::DB_VERSION, ..) => self.versions.narrow(comparison, value),
            (column::SEQ, ..) => self.seqs.narrow(comparison, value),
            (column::SITE_ID, Comparison::IsNot, Value::Blob(site)) => self.not_site = Some(site),
            (column::SITE_ID, Comparison::Equal | Comparison::Is, Value::Blob(site)) => {
                self.site = Some(site)
            }
            (column::TABLE, _, Value::Text(table)) => self.table = String::from_utf8(table).ok(),
            (column::PK, _, Value::Blob(pk)) => self.pk = Some(pk),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_narrow_and_never_cut_too_much() {
        let narrowed = |comparison, value| {
            let mut range = Range::ALL;
            range.narrow(comparison, value);
            (range.low, range.high)
        };
        assert_eq!(
            narrowed(Comparison::Greater, ValueRef::Integer(3)),
            (4, i64::MAX)
        );
        assert_eq!(
            narrowed(Comparison::LessOrEqual, ValueRef::Real(3.0)),
            (0, 3)
        );
        assert_eq!(
            narrowed(Comparison::Greater, ValueRef::Real(3.5)),
            (0, i64::MAX)
        );
        assert_eq!(
            narrowed(Comparison::Equal, ValueRef::Text(b"3")),
            (0, i64::MAX)
        );
        assert!(narrowed(Comparison::Greater, ValueRef::Integer(i64::MAX)) == (1, 0));
        assert!(narrowed(Comparison::Equal, ValueRef::Null) == (1, 0));
    }

    #[test]
    fn only_the_order_of_the_log_needs_no_sort() {
        let term = |column: usize, is_descending| OrderTerm {
            column: column as i32,
            is_descending,
        };
        let (version, seq) = (term(column::DB_VERSION, false), term(column::SEQ, false));
        assert!(is_log_order(&[version], false));
        assert!(is_log_order(&[version, seq], false));
        assert!(is_log_order(
            &[version, seq, term(column::CID, true)],
            false
        ));
        assert!(is_log_order(&[seq], true));
        assert!(!is_log_order(&[seq], false));
        assert!(!is_log_order(&[], false));
        assert!(!is_log_order(&[term(column::DB_VERSION, true), seq], false));
        assert!(!is_log_order(&[version, term(column::SEQ, true)], false));
        assert!(!is_log_order(&[version, term(column::CID, false)], false));
    }
}
