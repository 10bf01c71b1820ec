//! Upkeep of one stored tree: the nodes that touched keys belong to are made anew, level by level.
//!
//! What always holds of a level: its nodes end at the keys whose rank is at least the level, and at the open
//! end if rows come after the last of those. So a change of some rows changes the nodes they are in, and where
//! a key that ended a node is gone, the node after it; no other.

use super::source::{Range, Source};
use crate::crdt::digest::{Grouper, LEVEL_MAX, Part, Root};
use crate::crdt::order;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::digest::{Level, Node};

/// What of a level has to be made anew.
enum Dirty {
    All,
    /// The nodes of these keys, in ascending order
    Keys(Vec<Vec<u8>>),
}

/// A tree of a table.
pub struct TreeUpkeep<'s, 'a> {
    store: &'s Store,
    source: &'a mut Source<'s>,
    part: Part,
}

impl<'s, 'a> TreeUpkeep<'s, 'a> {
    /// Of one part of a table.
    pub fn new(store: &'s Store, source: &'a mut Source<'s>, part: Part) -> TreeUpkeep<'s, 'a> {
        TreeUpkeep {
            store,
            source,
            part,
        }
    }

    /// Makes the whole tree anew.
    pub fn rebuild(&mut self) -> Result<Root> {
        self.store.remove_nodes_above(self.level(0))?;
        self.make(Dirty::All)
    }

    /// Makes the nodes of these keys anew.
    pub fn update(&mut self, mut touched: Vec<Vec<u8>>) -> Result<Root> {
        touched.sort_unstable();
        touched.dedup();
        match self.make(Dirty::Keys(touched)) {
            Err(error) if is_out_of_step(&error) => self.rebuild(),
            outcome => outcome,
        }
    }

    fn level(&self, level: u8) -> Level {
        Level {
            table: self.source.crr.id,
            part: self.part,
            level,
        }
    }

    fn make(&mut self, mut dirty: Dirty) -> Result<Root> {
        for level in 1..=LEVEL_MAX + 1 {
            let own = self.level(level);
            let ranges = match &dirty {
                Dirty::Keys(keys) if self.store.node_after(own, order::FIRST)?.is_some() => {
                    self.ranges_of(own, keys)?
                }
                _ => vec![(order::FIRST.to_vec(), order::LAST.to_vec())],
            };
            let mut changed = Vec::new();
            for (low, high) in &ranges {
                let range = (low.as_slice(), high.as_slice());
                self.store.each_node(own, range, |node| {
                    changed.push(node.last);
                    Ok(())
                })?;
                self.store.remove_nodes(own, range)?;
                self.regroup(own, range, &mut changed)?;
            }
            changed.sort_unstable();
            changed.dedup();
            dirty = Dirty::Keys(changed);
            if let Some(root) = self.root_at(own)? {
                self.store.remove_nodes_above(own)?;
                return Ok(root);
            }
        }
        Err(Error::Internal("a tree of digests has no top".to_owned()))
    }

    /// The root, if this level has at most one node.
    fn root_at(&self, own: Level) -> Result<Option<Root>> {
        let Some(first) = self.store.node_after(own, order::FIRST)? else {
            return Ok(Some(Root::empty()));
        };
        let is_only = self.store.node_after(own, &first.last)?.is_none();
        Ok(is_only.then_some(Root {
            level: own.level,
            rows: first.rows,
            digest: first.digest,
        }))
    }

    /// The ranges of the nodes of these keys. Where a key ends a node, the node after it belongs to the range:
    /// the key may be gone.
    fn ranges_of(&self, own: Level, keys: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut ranges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for key in keys {
            if ranges.last().is_some_and(|(_, high)| key < high) {
                continue;
            }
            let end = |node: Option<Node>| node.map_or(order::LAST.to_vec(), |node| node.last);
            let high = end(self.store.node_after(own, key)?);
            let low = self.store.node_before(own, key)?.map(|node| node.last);
            let low = low.unwrap_or_default();
            match ranges.last_mut() {
                Some(latest) if low < latest.1 => latest.1 = high,
                _ => ranges.push((low, high)),
            }
        }
        Ok(ranges)
    }

    /// Makes the nodes of a range whose end is a key that is there, or the open end.
    fn regroup(&mut self, own: Level, range: Range<'_>, changed: &mut Vec<Vec<u8>>) -> Result<()> {
        let mut grouper = Grouper::new(own.level);
        let store = self.store;
        let mut put = |grouper: &mut Grouper, last: Vec<u8>, rank: u8| {
            let Some((digest, rows)) = grouper.close() else {
                return Ok(());
            };
            changed.push(last.clone());
            let node = Node {
                last,
                rank,
                rows,
                digest,
            };
            store.put_node(own, &node)
        };
        if own.level == 1 {
            self.source.each(self.part, range, |row| {
                grouper.add(&row.digest(), 1);
                let rank = row.rank();
                if rank >= own.level {
                    put(&mut grouper, row.order(), rank)?;
                }
                Ok(true)
            })?;
        } else {
            let children = Level {
                level: own.level - 1,
                ..own
            };
            store.each_node(children, range, |child| {
                grouper.add(&child.digest, child.rows);
                if child.rank >= own.level {
                    put(&mut grouper, child.last, child.rank)?;
                }
                Ok(())
            })?;
        }
        if range.1 == order::LAST {
            return put(&mut grouper, order::LAST.to_vec(), 0);
        }
        match grouper.close() {
            None => Ok(()),
            Some(_) => Err(out_of_step()),
        }
    }
}

const OUT_OF_STEP: &str = "a row that ended a node of the tree is gone unnoticed";

/// The table was written to behind this extension's back.
fn out_of_step() -> Error {
    Error::Internal(OUT_OF_STEP.to_owned())
}

fn is_out_of_step(error: &Error) -> bool {
    matches!(error, Error::Internal(text) if text == OUT_OF_STEP)
}
