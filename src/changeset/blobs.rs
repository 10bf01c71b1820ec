//! The table-valued function `crsql_changesets`: the changes of a database as a stream of changesets.

use super::gather::{Gathered, Wanted, gather};
use crate::crdt::change::Position;
use crate::crdt::changeset::Part;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sqlite::query::{Comparison, Query};
use crate::sqlite::table::{Cursor, Definition, Table};
use crate::sqlite::value::{Arguments, Context};
use crate::state::State;
use std::rc::Rc;

/// The columns.
const DATA: usize = 0;
const FIRST_VERSION: usize = 1;
const LAST_VERSION: usize = 2;
const LAST_SEQ: usize = 3;
const COMPLETE: usize = 4;
/// The first hidden column; the arguments stand in these.
const ARGUMENTS: usize = 5;
const ARGUMENT_COUNT: usize = 5;

/// `crsql_changesets` on one connection.
pub struct Changesets {
    state: Rc<State>,
}

/// A stream of changesets.
pub struct ChangesetsCursor {
    state: Rc<State>,
    given: [Value; ARGUMENT_COUNT],
    wanted: Wanted,
    end: Position,
    current: Option<Gathered>,
    rowid: i64,
}

impl Table for Changesets {
    type State = State;
    type Cursor = ChangesetsCursor;

    const DECLARATION: &'static str = "CREATE TABLE x (\
        data BLOB, first_version INTEGER, last_version INTEGER, last_seq INTEGER, complete INTEGER, \
        since INTEGER HIDDEN, exclude_site BLOB HIDDEN, max_bytes INTEGER HIDDEN, since_seq INTEGER HIDDEN, \
        compression INTEGER HIDDEN)";

    fn connect(state: &Rc<State>, _definition: &Definition) -> Result<Changesets> {
        Ok(Changesets {
            state: Rc::clone(state),
        })
    }

    fn best_index(&self, query: &mut Query<'_>) -> Result<()> {
        let constraints = query.constraints();
        let mut cost = 1e12;
        for argument in 0..ARGUMENT_COUNT {
            let given = constraints.iter().find(|constraint| {
                constraint.column == (ARGUMENTS + argument) as i32
                    && constraint.comparison == Comparison::Equal
            });
            if let Some(given) = given {
                query.use_argument(*given);
                query.plan(&argument.to_string());
                // Each argument that is known beforehand makes a better plan, so that joins give all.
                cost /= 10.0;
            }
        }
        query.set_estimate(cost, 100);
        Ok(())
    }

    fn open(&self) -> Result<ChangesetsCursor> {
        Ok(ChangesetsCursor {
            state: Rc::clone(&self.state),
            given: [const { Value::Null }; ARGUMENT_COUNT],
            wanted: Wanted::default(),
            end: Position::default(),
            current: None,
            rowid: 0,
        })
    }

    fn is_read_only() -> Error {
        Error::Usage("crsql_changesets is a function and holds no rows to write to".to_owned())
    }
}

/// When a changeset is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsTold {
    /// If there are changes in it
    IfAny,
    /// If there are none as well
    EvenIfEmpty,
}

impl ChangesetsCursor {
    fn advance(&mut self, is_told: IsTold) -> Result<()> {
        self.rowid += 1;
        let gathered = gather(&self.state, &self.wanted, self.end)?;
        let is_given = !gathered.is_empty || is_told == IsTold::EvenIfEmpty;
        self.current = is_given.then_some(gathered);
        Ok(())
    }

    /// Who goes on inside a transaction must hear that nothing of it is left, to apply the parts that he has. So where the
    /// log goes on, he gets a changeset although all that is there may be left out.
    fn first_is_told(&self) -> IsTold {
        match self.wanted.after {
            (version, Some(seq)) if self.end > (Position { version, seq }) => IsTold::EvenIfEmpty,
            _ => IsTold::IfAny,
        }
    }
}

impl Cursor for ChangesetsCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        self.state.check_layout()?;
        self.given = [const { Value::Null }; ARGUMENT_COUNT];
        for (digit, value) in plan_text.bytes().zip(arguments.iter()) {
            if let Some(place) = self.given.get_mut(usize::from(digit.wrapping_sub(b'0'))) {
                *place = value.to_owned();
            }
        }
        let [since, not_site, bytes_max, since_seq, level] =
            self.given.each_ref().map(Value::as_ref);
        self.wanted = super::wanted(since, not_site, bytes_max, since_seq, level)?;
        self.end = super::end_of_log(&self.state)?;
        self.current = None;
        self.rowid = 0;
        match self.end == Position::default() {
            true => Ok(()),
            false => self.advance(self.first_is_told()),
        }
    }

    fn next(&mut self) -> Result<()> {
        match self.current.take() {
            Some(current) if !current.is_last => {
                self.wanted.after = (current.last.version, Some(current.last.seq));
                self.advance(IsTold::IfAny)
            }
            _ => Ok(()),
        }
    }

    fn is_at_end(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let value = match column {
            DATA => ValueRef::Blob(&current.data),
            FIRST_VERSION => ValueRef::Integer(current.first.to_sql()),
            LAST_VERSION => ValueRef::Integer(current.last.version.to_sql()),
            LAST_SEQ => ValueRef::Integer(current.last.seq.to_sql()),
            COMPLETE => ValueRef::Integer(i64::from(current.part != Part::More)),
            argument => match self.given.get(argument.wrapping_sub(ARGUMENTS)) {
                Some(given) => given.as_ref(),
                None => ValueRef::Null,
            },
        };
        context.result(value);
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}
