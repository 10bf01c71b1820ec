//! The internal virtual table `crsql_check_keys`: the facts that a check is made of, for SQLite to sort.
//!
//! `crsql_check_keys(id, name)` has those of one table.

use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::repair::keys::{Fact, KeyScan};
use crate::sqlite::query::{Comparison, Query};
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use crate::state::State;
use std::rc::Rc;

/// The first hidden column: the id of the table, then its name.
const ONLY: i32 = 9;

/// The plan for one table.
const OF_ONE: &str = "1";

/// `crsql_check_keys` on one connection.
pub struct CheckKeys {
    state: Rc<State>,
}

impl Table for CheckKeys {
    type State = State;
    type Cursor = KeysCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (tbl, key, kind, cl, clock, db_version, seq, site, stride, \
         only_id HIDDEN, only_name HIDDEN)";

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<CheckKeys> {
        Ok(CheckKeys {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        let constraints = query.constraints();
        let equal = |column: i32| {
            constraints.iter().copied().find(|constraint| {
                constraint.column == column && constraint.comparison == Comparison::Equal
            })
        };
        if let (Some(id), Some(name)) = (equal(ONLY), equal(ONLY + 1)) {
            query.use_constraint(id);
            query.use_constraint(name);
            query.plan(OF_ONE);
        }
        Ok(())
    }

    fn open(&self) -> Result<KeysCursor> {
        Ok(KeysCursor {
            state: Rc::clone(&self.state),
            scan: None,
            current: None,
            only: None,
            rowid: 0,
        })
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_check_keys is internal and can't be written to".to_owned())
    }
}

/// A running scan.
pub struct KeysCursor {
    state: Rc<State>,
    scan: Option<KeyScan>,
    current: Option<Fact>,
    only: Option<(i64, String)>,
    rowid: i64,
}

impl Cursor for KeysCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        self.only = match (plan_text, arguments.get(1)) {
            (OF_ONE, ValueRef::Text(name)) => {
                let name = String::from_utf8_lossy(name).into_owned();
                Some((arguments.integer(0), name))
            }
            _ => None,
        };
        let only = self.only.as_ref();
        let only = only.map(|(id, name)| (TableId(*id), name.as_str()));
        self.scan = Some(KeyScan::start(&self.state, only)?);
        self.rowid = 0;
        self.next()
    }

    fn next(&mut self) -> Result<()> {
        self.rowid += 1;
        self.current = match &mut self.scan {
            Some(scan) => scan.next()?,
            None => None,
        };
        if self.current.is_none() {
            self.scan = None;
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let Some(fact) = &self.current else {
            return Ok(());
        };
        let only = self.only.as_ref();
        context.result(match column {
            0 => ValueRef::Integer(fact.table.0),
            1 => fact.key.as_ref().map_or(ValueRef::Null, |key| key.stored()),
            2 => ValueRef::Integer(fact.kind as i64),
            3 => ValueRef::Integer(fact.cl),
            4 => fact.clock.as_ref(),
            5..9 => ValueRef::Integer(fact.entry.get(column - 5).copied().unwrap_or_default()),
            9 => only.map_or(ValueRef::Null, |(id, _)| ValueRef::Integer(*id)),
            10 => only.map_or(ValueRef::Null, |(_, name)| ValueRef::Text(name.as_bytes())),
            _ => ValueRef::Null,
        });
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
