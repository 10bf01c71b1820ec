//! Comparing what a message shows with what is here, and composing the answer.
//!
//! What differs in a node is shown one level down; rows that differ are sent; what one side has nothing of is
//! sent or wanted as a whole. All in the order of places, so that where the answer is full one place says what
//! is left.

use super::compose::Composer;
use super::cover::Side;
use super::rows::{Authors, Merged};
use super::send::{Desk, Walk};
use crate::crdt::change::TableId;
use crate::crdt::digest::{Part, checksum, folded};
use crate::crdt::message::{
    KeyRange, Message, Mismatch, PartSummary, Place, SentNode, TableSummary, Unmatched, short,
};
use crate::crdt::order;
use crate::digest::source::{Range, Source};
use crate::digest::upkeep;
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::state::State;
use crate::store::digest::Tree;
use hashbrown::HashMap;
use std::rc::Rc;

/// The first list of a table has about so many nodes.
const NODES_FIRST: u64 = 64;

/// A table as it is here.
struct Own {
    crr: Rc<Crr>,
    folded: String,
}

/// The answer to a message.
pub struct Answer<'s> {
    desk: Desk<'s>,
    /// In the order of their folded names
    tables: Vec<Own>,
    sources: HashMap<TableId, Source<'s>>,
    /// Tables that are left alone
    unmatched: Vec<Unmatched>,
}

impl<'s> Answer<'s> {
    /// An answer of about `budget` bytes. The trees must be up to date, and all rows merged.
    pub fn new(state: &'s State, budget: usize) -> Result<Answer<'s>> {
        let tables = upkeep::tables(state)?.into_iter().map(|crr| Own {
            folded: folded(&crr.name),
            crr,
        });
        Ok(Answer {
            desk: Desk {
                state,
                out: Composer::new(budget),
                authors: Authors::new(state)?,
            },
            tables: tables.collect(),
            sources: HashMap::new(),
            unmatched: Vec::new(),
        })
    }

    /// The message, none if there is nothing left to say; and the tables that were left alone.
    pub fn finish(self, round: u64) -> (Option<Message>, Vec<Unmatched>) {
        (self.desk.out.finish(round), self.unmatched)
    }

    fn table(&self, folded: &str) -> Option<Rc<Crr>> {
        let found = self.tables.iter().find(|own| own.folded == folded)?;
        Some(Rc::clone(&found.crr))
    }

    fn tree(&self, crr: &Crr) -> Result<Tree> {
        self.desk.state.store.tree(crr.id)?.ok_or_else(|| {
            Error::Internal("a table has no tree although the trees are up to date".to_owned())
        })
    }

    /// Runs `work` with the rows of a part; without a source only while it runs.
    fn with_side<T>(
        &mut self,
        crr: &Rc<Crr>,
        part: Part,
        work: impl FnOnce(&mut Self, &mut Side<'s, '_>) -> Result<T>,
    ) -> Result<T> {
        let mut source = match self.sources.remove(&crr.id) {
            Some(source) => source,
            None => Source::new(self.desk.state, Rc::clone(crr))?,
        };
        let store = &self.desk.state.store;
        let mut side = Side {
            store,
            source: &mut source,
            part,
        };
        let outcome = work(self, &mut side);
        self.sources.insert(crr.id, source);
        outcome
    }

    /// Sends back the rows that, once merged, are not what came.
    pub fn return_rows(&mut self, mut merged: Vec<Merged>) -> Result<()> {
        merged.sort_by(|a, b| a.place.cmp(&b.place));
        let mut before: Option<Place> = None;
        for Merged {
            crr,
            key,
            place,
            hops,
            digest,
        } in merged
        {
            let Some(row) = self.desk.state.row_state(&crr, &key)? else {
                continue;
            };
            let own = self.with_side(&crr, place.part, |_, side| {
                Ok(side.source.digest_of(&key, &row))
            })?;
            if own != digest {
                let sent = self.desk.outgoing(&crr, &key, &row, hops - 1)?;
                if !self.desk.out.add_row(&crr, sent) {
                    let start = Place {
                        key: Vec::new(),
                        ..place
                    };
                    self.desk
                        .out
                        .leave(before.filter(|before| *before > start).unwrap_or(start));
                    return Ok(());
                }
            }
            before = Some(place);
        }
        Ok(())
    }

    /// Shows everything after a place.
    pub fn show_from(&mut self, place: &Place) -> Result<()> {
        if self.desk.out.is_full() {
            self.desk.out.leave(place.clone());
            return Ok(());
        }
        let mut from = place.table.clone();
        if place.part == Part::Dead || !place.key.is_empty() {
            if let Some(crr) = self.table(&place.table) {
                let mut low = place.key.clone();
                for part in Part::ALL.into_iter().filter(|part| *part >= place.part) {
                    self.with_side(&crr, part, |answer, side| {
                        answer.show_nodes(side, (&low, order::LAST), None)
                    })?;
                    low.clear();
                }
            }
            // The least name after it.
            from.push('\0');
        }
        self.show_tables(&from)
    }

    fn show_tables(&mut self, from: &str) -> Result<()> {
        if self.desk.out.is_full() || !self.desk.out.begin_tables(from) {
            self.leave_table(from);
            return Ok(());
        }
        let first = self
            .tables
            .partition_point(|own| own.folded.as_str() < from);
        for index in first..self.tables.len() {
            let Own { crr, folded } = &self.tables[index];
            let tree = self.tree(crr)?;
            let summary = TableSummary {
                table: folded.clone(),
                columns: columns_check(crr),
                parts: Part::ALL.map(|part| {
                    let root = tree.root(part);
                    PartSummary {
                        rows: root.rows,
                        digest: short(&root.digest),
                    }
                }),
            };
            let name = folded.clone();
            if !self.desk.out.add_table(summary) {
                self.leave_table(&name);
                return Ok(());
            }
        }
        Ok(())
    }

    fn leave_table(&mut self, table: &str) {
        self.desk.out.leave(Place {
            table: table.to_owned(),
            part: Part::Live,
            key: Vec::new(),
        });
    }

    /// Compares the tables that both sides have, with the same columns, and tells of the others. `theirs` are all
    /// from a name on, but for those from another name on.
    pub fn compare_tables(
        &mut self,
        from: &str,
        until: Option<&str>,
        theirs: &[TableSummary],
    ) -> Result<()> {
        let theirs: HashMap<&str, &TableSummary> = theirs
            .iter()
            .map(|summary| (summary.table.as_str(), summary))
            .collect();
        let own = self.tables.iter().map(|own| own.folded.as_str());
        let mut names: Vec<String> = own
            .chain(theirs.keys().copied())
            .filter(|name| *name >= from && until.is_none_or(|until| *name < until))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            if self.desk.out.is_full() {
                self.leave_table(&name);
                return Ok(());
            }
            let theirs = theirs.get(name.as_str()).copied();
            match (self.table(&name), theirs) {
                (Some(crr), Some(theirs)) if theirs.columns == columns_check(&crr) => {
                    for (part, theirs) in Part::ALL.into_iter().zip(theirs.parts) {
                        self.with_side(&crr, part, |answer, side| {
                            answer.compare_part(side, theirs)
                        })?;
                    }
                }
                (own, theirs) => self.tell_unmatched(name, own.as_deref(), theirs)?,
            }
        }
        Ok(())
    }

    /// Tells of a table that can't be compared. Where it has no rows, nothing is missing.
    fn tell_unmatched(
        &mut self,
        table: String,
        own: Option<&Crr>,
        theirs: Option<&TableSummary>,
    ) -> Result<()> {
        let mut has_rows =
            theirs.is_some_and(|theirs| theirs.parts.iter().any(|part| part.rows > 0));
        if let Some(crr) = own {
            let tree = self.tree(crr)?;
            has_rows |= Part::ALL.iter().any(|part| tree.root(*part).rows > 0);
        }
        if !has_rows {
            return Ok(());
        }
        let mismatch = match (own, theirs) {
            (Some(_), Some(_)) => Mismatch::Columns,
            (Some(_), None) => Mismatch::OnlyHere,
            (None, _) => Mismatch::OnlyThere,
        };
        let unmatched = Unmatched { table, mismatch };
        match self.desk.out.add_unmatched(unmatched.clone()) {
            true => self.unmatched.push(unmatched),
            false => self.leave_table(&unmatched.table),
        }
        Ok(())
    }

    fn compare_part(&mut self, side: &mut Side<'s, '_>, theirs: PartSummary) -> Result<()> {
        let tree = self.tree(&side.source.crr)?;
        let own = tree.root(side.part);
        let all = (order::FIRST, order::LAST);
        if short(&own.digest) == theirs.digest {
            Ok(())
        } else if theirs.rows == 0 {
            self.send_rows(side, all)
        } else if own.rows == 0 {
            self.want(side, all);
            Ok(())
        } else {
            self.show_nodes(side, all, None)
        }
    }

    /// Shows what is here in a range, by nodes of at most this level.
    fn show_nodes(
        &mut self,
        side: &mut Side<'s, '_>,
        range: Range<'_>,
        level_max: Option<u8>,
    ) -> Result<()> {
        let tree = self.tree(&side.source.crr)?;
        let root = tree.root(side.part);
        let level = level_max.unwrap_or_else(|| first_level(root.rows));
        if self.desk.out.is_full() || !self.desk.out.begin_nodes(side.range(range)) {
            self.desk.out.leave(side.place(range.0));
            return Ok(());
        }
        let out = &mut self.desk.out;
        let reached = side.cover(range, level.min(root.level), |node| out.add_node(node))?;
        if reached != range.1 {
            self.desk.out.leave(side.place(&reached));
        }
        self.desk.out.end_nodes(reached);
        Ok(())
    }

    fn want(&mut self, side: &Side<'s, '_>, range: Range<'_>) {
        if self.desk.out.is_full() || !self.desk.out.add_want(side.range(range)) {
            self.desk.out.leave(side.place(range.0));
        }
    }

    /// Sends the rows of a range that was asked for.
    pub fn send_range(&mut self, range: &KeyRange) -> Result<()> {
        let Some(crr) = self.table(&range.table) else {
            return Ok(());
        };
        self.with_side(&crr, range.part, |answer, side| {
            answer.send_rows(side, (&range.low, &range.high))
        })
    }

    fn send_rows(&mut self, side: &mut Side<'s, '_>, range: Range<'_>) -> Result<()> {
        let crr = Rc::clone(&side.source.crr);
        Walk::new(&mut self.desk, &crr, side.part, range.0).send_all(side.source, range)
    }

    /// Compares what the other side has in a range with what is here.
    pub fn compare_nodes(&mut self, range: &KeyRange, nodes: &[SentNode]) -> Result<()> {
        let Some(crr) = self.table(&range.table) else {
            return Ok(());
        };
        self.with_side(&crr, range.part, |answer, side| {
            let mut low = range.low.as_slice();
            let mut rest = nodes;
            while let Some(first) = rest.first() {
                let is_alike = |node: &&SentNode| node.level == first.level;
                let alike = rest.iter().take_while(is_alike).count();
                let (alike, others) = rest.split_at(alike);
                let high = alike.last().map_or(low, |node| &node.last);
                match first.level {
                    0 => answer.compare_rows(side, low, alike)?,
                    _ => answer.compare_level(side, low, alike)?,
                }
                (low, rest) = (high, others);
            }
            // The other side has nothing up to the end.
            match low < range.high.as_slice() {
                true => answer.send_rows(side, (low, &range.high)),
                false => Ok(()),
            }
        })
    }

    /// Compares nodes of one level. Neighbours that differ are shown together.
    fn compare_level(
        &mut self,
        side: &mut Side<'s, '_>,
        low: &[u8],
        nodes: &[SentNode],
    ) -> Result<()> {
        let mut low = low;
        let mut different: Option<&[u8]> = None;
        for node in nodes {
            if !side.has_same(low, node)? {
                different.get_or_insert(low);
            } else if let Some(start) = different.take() {
                self.show_below(side, (start, low), node.level)?;
            }
            low = &node.last;
        }
        match (different, nodes.last()) {
            (Some(start), Some(last)) => self.show_below(side, (start, low), last.level),
            _ => Ok(()),
        }
    }

    /// Shows a range one level down, or wants all of it if there is nothing here.
    fn show_below(&mut self, side: &mut Side<'s, '_>, range: Range<'_>, level: u8) -> Result<()> {
        if side.has_rows(range)? {
            self.show_nodes(side, range, Some(level - 1))
        } else {
            self.want(side, range);
            Ok(())
        }
    }

    fn compare_rows(
        &mut self,
        side: &mut Side<'s, '_>,
        low: &[u8],
        theirs: &[SentNode],
    ) -> Result<()> {
        let crr = Rc::clone(&side.source.crr);
        Walk::new(&mut self.desk, &crr, side.part, low).compare(side.source, theirs)
    }
}

/// The level of a first list of so many rows.
fn first_level(rows: u64) -> u8 {
    let mut level = 0;
    let mut nodes = rows;
    while nodes > NODES_FIRST {
        level += 1;
        nodes /= if level == 1 { 64 } else { 16 };
    }
    level
}

/// Equal where rows of the two tables can be compared: the same columns, as many key columns.
fn columns_check(crr: &Crr) -> [u8; 8] {
    let columns = crr.columns.iter().map(|column| &column.name);
    let added = crr.added.iter().map(|column| &column.name);
    let mut names: Vec<String> = columns.chain(added).map(|name| folded(name)).collect();
    names.sort_unstable();
    let mut bytes = (crr.key_columns.len() as u64).to_be_bytes().to_vec();
    for name in &names {
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    checksum(&bytes)
}
