//! The virtual table `crsql_changes`: all changes of a database, to read and to merge.

mod cursor;
mod plan;

use crate::apply;
use crate::error::{Error, Result};
use crate::sqlite::query::Query;
use crate::sqlite::table::{Definition, Table};
use crate::sqlite::value::Arguments;
use crate::state::State;
use cursor::ChangesCursor;
use std::rc::Rc;

/// `crsql_changes` on one connection.
pub struct Changes {
    state: Rc<State>,
}

impl Table for Changes {
    type State = State;
    type Cursor = ChangesCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (\
        \"table\" TEXT NOT NULL, pk BLOB NOT NULL, cid TEXT NOT NULL, val, col_version INTEGER NOT NULL, \
        db_version INTEGER NOT NULL, site_id BLOB NOT NULL, cl INTEGER NOT NULL, seq INTEGER NOT NULL)";

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<Changes> {
        Ok(Changes {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        plan::choose(query);
        Ok(())
    }

    fn open(&self) -> Result<ChangesCursor> {
        self.state.check_layout()?;
        Ok(ChangesCursor::new(Rc::clone(&self.state)))
    }

    fn insert(&self, values: Arguments<'_>) -> Result<i64> {
        self.state.check_layout()?;
        self.state.enlist()?;
        apply::apply(&self.state, values)
    }

    fn is_read_only() -> Error {
        Error::changes_are_append_only()
    }

    fn disconnect(&self) {
        self.state.release_statements();
    }
}
