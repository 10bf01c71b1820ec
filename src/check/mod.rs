//! The virtual table `crsql_check`: where rows and clocks disagree. `crsql_check('table')` looks at one table.

pub mod keys;

use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::repair::check::Check;
use crate::repair::problem::Problem;
use crate::sqlite::query::{Comparison, Query};
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use crate::state::State;
use std::rc::Rc;

const TABLE: usize = 0;
const KEY: usize = 1;
const PROBLEM: usize = 2;
const DETAIL: usize = 3;
const PK: usize = 4;
const ONLY: usize = 5;

/// The plan with a table's name.
const WITH_TABLE: &str = "t";

/// A check reads everything; better not more than once.
const COST: f64 = 1e9;

/// `crsql_check` on one connection.
pub struct CheckTable {
    state: Rc<State>,
}

impl Table for CheckTable {
    type State = State;
    type Cursor = CheckCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (\"table\" TEXT, key TEXT, problem TEXT, detail TEXT, pk BLOB, only_table TEXT HIDDEN)";

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<CheckTable> {
        Ok(CheckTable {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        let constraints = query.constraints();
        let only = constraints.iter().find(|constraint| {
            constraint.column == ONLY as i32 && constraint.comparison == Comparison::Equal
        });
        match only {
            Some(only) => {
                query.use_constraint(*only);
                query.plan(WITH_TABLE);
                query.set_estimate(COST, 1);
            }
            // Worse than any plan that has the name, so that joins find one.
            None => query.set_estimate(COST * COST, i64::MAX),
        }
        Ok(())
    }

    fn open(&self) -> Result<CheckCursor> {
        Ok(CheckCursor {
            state: Rc::clone(&self.state),
            check: None,
            current: None,
            only: None,
            rowid: 0,
        })
    }

    fn is_read_only() -> Error {
        Error::Usage(
            "crsql_check can't be written to: it shows what is wrong; call crsql_adopt to mend it"
                .to_owned(),
        )
    }
}

/// A running check.
pub struct CheckCursor {
    state: Rc<State>,
    check: Option<Check>,
    current: Option<Problem>,
    only: Option<String>,
    rowid: i64,
}

impl Cursor for CheckCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        self.only = match (plan_text, arguments.get(0)) {
            (WITH_TABLE, ValueRef::Text(name)) => Some(String::from_utf8_lossy(name).into_owned()),
            (WITH_TABLE, _) => {
                return Err(Error::Usage(
                    "the name of a table must be a text; call crsql_check('table')".to_owned(),
                ));
            }
            _ => None,
        };
        self.check = Some(Check::start(&self.state, self.only.as_deref())?);
        self.rowid = 0;
        self.next()
    }

    fn next(&mut self) -> Result<()> {
        self.rowid += 1;
        self.current = match &mut self.check {
            Some(check) => check.next(&self.state)?,
            None => None,
        };
        if self.current.is_none() {
            self.check = None;
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let text = |text: Option<&str>| {
            context.result(text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())));
        };
        let Some(problem) = &self.current else {
            return Ok(());
        };
        match column {
            TABLE => text(problem.table.as_deref()),
            KEY => text(problem.readable_key().as_deref()),
            PROBLEM => text(Some(problem.kind)),
            DETAIL => text(Some(&problem.detail)),
            ONLY => text(self.only.as_deref()),
            PK => match &problem.key {
                Some(key) => context.result(ValueRef::Blob(&key.packed())),
                None => context.result(ValueRef::Null),
            },
            _ => context.result(ValueRef::Null),
        }
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
