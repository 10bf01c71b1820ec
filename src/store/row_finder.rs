//! Finding rows of a replicated table by key, quickly where they are asked for in the order they stand in.
//!
//! ```text
//! key is the rowid:   one statement walks on from row to row, and is started anew where a key is not the next
//! a rowid beside:     rows are often asked for in the order of their making, so the next row is tried first;
//!                     where that guess fails, it is made more and more seldom
//! no rowid:           each row is looked up
//! ```
//! While a walk is open, writes to the table cost more: `stop` before them.

use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::Crr;
use crate::schema::crr::slot;
use crate::sqlite::{Connection, Statement};
use std::rc::Rc;

/// After so many wrong guesses in a row at most, another is made.
const WAIT_MAX: u32 = 64;

/// After so many rows in a row that were not behind the ones before, it is clear that rows stand in another order.
const SEARCHES_MAX: u32 = 32;

/// A row that is no further away is walked to.
const STEPS_MAX: usize = 3;

/// Finds rows of one table.
#[derive(Debug)]
pub struct RowFinder {
    connection: Connection,
    crr: Rc<Crr>,
    /// Finds one row
    one: Option<Statement>,
    /// Goes from row to row
    walk: Option<Statement>,
    /// The rowid that the walk is at; none if it is not going on
    walked_to: Option<i64>,
    /// Whether the row that was found is the walk's
    is_in_walk: bool,
    /// Where the next row is guessed to be
    guess: Option<i64>,
    /// Look-ups before the next guess, and what they will be after a wrong one
    wait: u32,
    wait_next: u32,
    /// Rows that were found by a search since one was where it was guessed to be, as far as they count
    searches: u32,
}

impl RowFinder {
    /// A finder for a table.
    pub fn new(connection: Connection, crr: &Rc<Crr>) -> RowFinder {
        RowFinder {
            connection,
            crr: Rc::clone(crr),
            one: None,
            walk: None,
            walked_to: None,
            is_in_walk: false,
            guess: None,
            wait: 0,
            wait_next: 1,
            searches: 0,
        }
    }

    /// Goes to the row with this key, in canonical form; false if it is not there.
    pub fn find(&mut self, key: &[ValueRef<'_>]) -> Result<bool> {
        if self.crr.is_rowid_keyed {
            return match key.first() {
                Some(ValueRef::Integer(rowid)) => self.walk_to(*rowid),
                _ => Ok(false),
            };
        }
        if self.wait > 0 {
            self.wait -= 1;
        } else if self.guess_next(key)? {
            return Ok(true);
        }
        self.find_one(key)
    }

    /// Whether the rows that were asked for stand in another order than they were asked for in; it stays so.
    pub fn is_lost(&self) -> bool {
        self.searches >= SEARCHES_MAX
    }

    /// A replicated column of the row that was found, by its index.
    pub fn value(&self, index: usize) -> ValueRef<'_> {
        let statement = match self.is_in_walk {
            true => &self.walk,
            false => &self.one,
        };
        let place = 1 + self.crr.key_columns.len() + index;
        statement
            .as_ref()
            .map_or(ValueRef::Null, |statement| statement.value(place))
    }

    /// Lets go of the row that was found.
    pub fn stop(&mut self) {
        if self.walked_to.take().is_some()
            && let Some(walk) = &mut self.walk
        {
            walk.reset();
        }
        if let Some(one) = &mut self.one {
            one.reset();
        }
    }

    /// Starts to walk at this rowid or the next one there is.
    fn start_walk(&mut self, rowid: i64) -> Result<()> {
        if self.walk.is_none() {
            let crr = &self.crr;
            let text = || crr.row_walk_sql();
            let walk = crr.statements.take(slot::ROW_WALK, self.connection, text)?;
            self.walk = Some(walk);
        }
        if let Some(walk) = &mut self.walk {
            walk.reset();
            walk.bind(1, ValueRef::Integer(rowid))?;
        }
        self.step()
    }

    fn step(&mut self) -> Result<()> {
        self.walked_to = None;
        if let Some(walk) = &mut self.walk
            && walk.step()?
        {
            self.walked_to = Some(walk.integer(0));
        }
        Ok(())
    }

    fn walk_to(&mut self, rowid: i64) -> Result<bool> {
        self.is_in_walk = true;
        match self.walked_to {
            Some(at) if at < rowid => {
                for _ in 0..STEPS_MAX {
                    self.step()?;
                    match self.walked_to {
                        Some(at) if at < rowid => {}
                        // The walk is past it, or at the end of the table.
                        at => return Ok(at == Some(rowid)),
                    }
                }
                self.start_walk(rowid)?;
            }
            Some(at) if at == rowid => return Ok(true),
            _ => self.start_walk(rowid)?,
        }
        Ok(self.walked_to == Some(rowid))
    }

    /// Whether the row behind the last one has this key.
    fn guess_next(&mut self, key: &[ValueRef<'_>]) -> Result<bool> {
        match (self.walked_to, self.guess) {
            (Some(_), _) => self.step()?,
            (None, Some(rowid)) => self.start_walk(rowid)?,
            (None, None) => return Ok(false),
        }
        let is_right = self.walked_to.is_some()
            && self.walk.as_ref().is_some_and(|walk| {
                let mut key = key.iter().enumerate();
                key.all(|(place, value)| walk.value(1 + place) == *value)
            });
        if is_right {
            (self.is_in_walk, self.wait_next) = (true, 1);
            if !self.is_lost() {
                self.searches = 0;
            }
            return Ok(true);
        }
        self.stop();
        self.wait = self.wait_next;
        self.wait_next = (self.wait_next * 2).min(WAIT_MAX);
        Ok(false)
    }

    fn find_one(&mut self, key: &[ValueRef<'_>]) -> Result<bool> {
        self.is_in_walk = false;
        if self.one.is_none() {
            let crr = &self.crr;
            let text = || crr.row_find_sql();
            let one = crr.statements.take(slot::ROW_FIND, self.connection, text)?;
            self.one = Some(one);
        }
        let Some(one) = &mut self.one else {
            return Ok(false);
        };
        one.reset();
        one.bind_all(key.iter().copied())?;
        let is_there = one.step()?;
        self.guess = match one.value(0) {
            ValueRef::Integer(rowid) if is_there => rowid.checked_add(1),
            _ => None,
        };
        if is_there && !self.is_lost() {
            self.searches += 1;
        }
        Ok(is_there)
    }
}

impl Drop for RowFinder {
    fn drop(&mut self) {
        let statements = &self.crr.statements;
        if let Some(one) = self.one.take() {
            statements.give_back(slot::ROW_FIND, one);
        }
        if let Some(walk) = self.walk.take() {
            statements.give_back(slot::ROW_WALK, walk);
        }
    }
}
