//! The query that a virtual table plans for: its comparisons, its order, and the plan that is made of them.

use super::api::{SQLITE_INDEX_SCAN_UNIQUE, call};
use super::memory;
use super::vtab::sqlite_text;
use crate::error::Result;
use sqlite_loadable::ext::sqlite3_index_info;
use std::ffi::{CStr, c_int};
use std::slice;

/// A comparison of a column with a value that a scan can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `IS NOT`
    IsNot,
    /// `IS`
    Is,
    /// Any other
    Other,
}

impl Comparison {
    fn from_code(code: u8) -> Comparison {
        match code {
            2 => Comparison::Equal,
            4 => Comparison::Greater,
            8 => Comparison::LessOrEqual,
            16 => Comparison::Less,
            32 => Comparison::GreaterOrEqual,
            69 => Comparison::IsNot,
            72 => Comparison::Is,
            _ => Comparison::Other,
        }
    }
}

/// One usable constraint of a query.
#[derive(Debug, Clone, Copy)]
pub struct Constraint {
    /// Its place in the query, to be handed to `use_constraint`
    pub index: usize,
    /// The column, counted from 0; -1 is the rowid
    pub column: i32,
    /// The comparison
    pub comparison: Comparison,
}

/// One term of the query's ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTerm {
    /// The column, counted from 0
    pub column: i32,
    /// Whether it is descending
    pub is_descending: bool,
}

/// The query that `best_index` plans for.
pub struct Query<'a> {
    info: &'a mut sqlite3_index_info,
    plan_text: String,
    next_argument: i32,
}

impl<'a> Query<'a> {
    pub(super) fn new(info: &'a mut sqlite3_index_info) -> Query<'a> {
        Query {
            info,
            plan_text: String::new(),
            next_argument: 0,
        }
    }

    /// The constraints whose values will be known when the scan starts. Those that compare text by another
    /// collation than BINARY are left to SQLite.
    pub fn constraints(&self) -> Vec<Constraint> {
        // SAFETY: SQLite gives an array of nConstraint entries.
        let all = unsafe { array(self.info.aConstraint, self.info.nConstraint) };
        let usable = all
            .iter()
            .enumerate()
            .filter(|(index, constraint)| constraint.usable != 0 && self.is_binary(*index));
        usable
            .map(|(index, constraint)| Constraint {
                index,
                column: constraint.iColumn,
                comparison: Comparison::from_code(constraint.op),
            })
            .collect()
    }

    fn is_binary(&self, index: usize) -> bool {
        // SAFETY: SQLite passed this object to the running callback, and the index is one of its constraints.
        unsafe {
            let info: *const sqlite3_index_info = self.info;
            let collation = call!(vtab_collation(info.cast_mut(), index as c_int));
            collation.is_null()
                || CStr::from_ptr(collation)
                    .to_bytes()
                    .eq_ignore_ascii_case(b"BINARY")
        }
    }

    /// The ORDER BY terms.
    pub fn order(&self) -> Vec<OrderTerm> {
        // SAFETY: SQLite gives an array of nOrderBy entries.
        let all = unsafe { array(self.info.aOrderBy, self.info.nOrderBy) };
        all.iter()
            .map(|term| OrderTerm {
                column: term.iColumn,
                is_descending: term.desc != 0,
            })
            .collect()
    }

    /// Asks for the constraint's value as the next argument of `filter`; SQLite still checks the rows itself.
    pub fn use_constraint(&mut self, constraint: Constraint) {
        self.next_argument += 1;
        // SAFETY: SQLite gives an array of nConstraint entries, and the index comes from `constraints`.
        unsafe {
            (*self.info.aConstraintUsage.add(constraint.index)).argvIndex = self.next_argument
        };
    }

    /// As `use_constraint`, for an argument of a table-valued function: SQLite does not compare, so that NULL can be one.
    pub fn use_argument(&mut self, constraint: Constraint) {
        self.use_constraint(constraint);
        // SAFETY: as in `use_constraint`.
        unsafe { (*self.info.aConstraintUsage.add(constraint.index)).omit = 1 };
    }

    /// Adds to the text that `filter` gets.
    pub fn plan(&mut self, text: &str) {
        self.plan_text.push_str(text);
    }

    /// The rows will come in the order that was asked for.
    pub fn set_ordered(&mut self) {
        self.info.orderByConsumed = 1;
    }

    /// The scan's expected cost and number of rows.
    pub fn set_estimate(&mut self, cost: f64, rows: i64) {
        self.info.estimatedCost = cost;
        self.info.estimatedRows = rows;
    }

    /// The scan will give one row at most.
    pub fn promise_one_row(&mut self) {
        self.info.idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    }

    /// Hands the plan's text to SQLite.
    pub(super) fn finish(self) -> Result<()> {
        if !self.plan_text.is_empty() {
            self.info.idxStr = sqlite_text(&self.plan_text);
            self.info.needToFreeIdxStr = 1;
            // Without its text the plan would be another one.
            memory::note_if(self.info.idxStr.is_null());
        }
        memory::take()
    }
}

/// # Safety
/// A pointer that is not null is valid for `count` elements for `'a`.
unsafe fn array<'a, E>(pointer: *const E, count: c_int) -> &'a [E] {
    if pointer.is_null() || count <= 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(pointer, count as usize) }
}
