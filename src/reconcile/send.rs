//! Sending rows in the order of their keys, for as long as they fit.

use super::compose::{Composer, Outgoing};
use super::rows::Authors;
use crate::crdt::digest::{Part, folded};
use crate::crdt::message::{HOPS_MAX, KeyRange, Place, SentNode, short};
use crate::digest::source::{Range, Row, Source};
use crate::error::Result;
use crate::schema::{Crr, Key};
use crate::state::State;
use crate::state::rows::RowState;
use std::rc::Rc;

/// What an answer is made with.
pub struct Desk<'s> {
    /// The connection
    pub state: &'s State,
    /// The answer so far
    pub out: Composer,
    /// Who wrote what
    pub authors: Authors<'s>,
}

impl Desk<'_> {
    /// A row to be sent, by its state.
    pub fn outgoing(&mut self, crr: &Crr, key: &Key, row: &RowState, hops: u8) -> Result<Outgoing> {
        let cells: Vec<_> = row
            .cells
            .iter()
            .map(|(index, version, value)| (*index, *version, value.as_ref()))
            .collect();
        self.authors.outgoing(crr, key, row.cl, &cells, hops)
    }
}

/// Works through a range of one part of a table.
pub struct Walk<'d, 's> {
    desk: &'d mut Desk<'s>,
    crr: Rc<Crr>,
    table: String,
    part: Part,
    /// Everything up to here is settled
    at: Vec<u8>,
}

impl<'d, 's> Walk<'d, 's> {
    /// From a key on.
    pub fn new(desk: &'d mut Desk<'s>, crr: &Rc<Crr>, part: Part, low: &[u8]) -> Walk<'d, 's> {
        Walk {
            desk,
            crr: Rc::clone(crr),
            table: folded(&crr.name),
            part,
            at: low.to_vec(),
        }
    }

    /// Sends all rows of the range.
    pub fn send_all(mut self, source: &mut Source<'_>, range: Range<'_>) -> Result<()> {
        if !self.is_open() {
            return Ok(());
        }
        source.each(self.part, range, |row| self.send(row))
    }

    /// Compares the other side's rows with those here, which may be anywhere between them: sends those that
    /// differ or that the other side lacks, wants those that are not here.
    pub fn compare(mut self, source: &mut Source<'_>, theirs: &[SentNode]) -> Result<()> {
        let Some(last) = theirs.last() else {
            return Ok(());
        };
        if !self.is_open() {
            return Ok(());
        }
        let low = self.at.clone();
        let mut rest = theirs;
        let mut is_open = true;
        source.each(self.part, (&low, &last.last), |row| {
            let key = row.order();
            while let Some((node, others)) = rest.split_first().filter(|(node, _)| node.last < key)
            {
                is_open = self.want(node);
                if !is_open {
                    return Ok(false);
                }
                rest = others;
            }
            let known = rest.split_first().filter(|(node, _)| node.last == key);
            if let Some((node, others)) = known {
                rest = others;
                if node.digest == short(&row.digest()) {
                    self.at = key;
                    return Ok(true);
                }
            }
            is_open = self.send(row)?;
            Ok(is_open)
        })?;
        for node in rest {
            if !is_open || !self.want(node) {
                break;
            }
        }
        Ok(())
    }

    /// Whether there is room. If not, what comes from here on is left for later.
    fn is_open(&mut self) -> bool {
        let is_full = self.desk.out.is_full();
        if is_full {
            self.leave();
        }
        !is_full
    }

    fn leave(&mut self) {
        self.desk.out.leave(Place {
            table: self.table.clone(),
            part: self.part,
            key: self.at.clone(),
        });
    }

    fn send(&mut self, row: &Row<'_>) -> Result<bool> {
        let key = row.key()?;
        let sent = self
            .desk
            .authors
            .outgoing(&self.crr, &key, row.cl, &row.cells, HOPS_MAX)?;
        Ok(self.add(sent, row.order()))
    }

    fn add(&mut self, row: Outgoing, key: Vec<u8>) -> bool {
        let fits = self.desk.out.add_row(&self.crr, row);
        if fits {
            self.at = key;
        } else {
            self.leave();
        }
        fits
    }

    /// The other side has a row that is not here.
    fn want(&mut self, node: &SentNode) -> bool {
        let range = KeyRange {
            table: self.table.clone(),
            part: self.part,
            low: self.at.clone(),
            high: node.last.clone(),
        };
        let fits = self.desk.out.add_want(range);
        if fits {
            self.at.clone_from(&node.last);
        } else {
            self.leave();
        }
        fits
    }
}
