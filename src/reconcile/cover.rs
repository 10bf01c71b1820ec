//! What this database has in a range of keys, as a list of nodes and rows.

use crate::crdt::change::TableId;
use crate::crdt::digest::{Part, folded};
use crate::crdt::message::{KeyRange, Place, SentNode, short};
use crate::digest::source::{Range, Source};
use crate::error::Result;
use crate::store::Store;
use crate::store::digest::{Level, Node};

/// One part of a table, to be compared.
pub struct Side<'s, 'a> {
    /// The internal tables
    pub store: &'s Store,
    /// The rows
    pub source: &'a mut Source<'s>,
    /// Which of them
    pub part: Part,
}

impl Side<'_, '_> {
    fn level(&self, level: u8) -> Level {
        Level {
            table: self.table(),
            part: self.part,
            level,
        }
    }

    fn table(&self) -> TableId {
        self.source.crr.id
    }

    /// The range, as messages name it.
    pub fn range(&self, (low, high): Range<'_>) -> KeyRange {
        KeyRange {
            table: folded(&self.source.crr.name),
            part: self.part,
            low: low.to_vec(),
            high: high.to_vec(),
        }
    }

    /// What comes after a key, as messages name it.
    pub fn place(&self, key: &[u8]) -> Place {
        Place {
            table: folded(&self.source.crr.name),
            part: self.part,
            key: key.to_vec(),
        }
    }

    /// Whether there is a row in the range.
    pub fn has_rows(&mut self, range: Range<'_>) -> Result<bool> {
        let mut found = false;
        self.source.each(self.part, range, |_| {
            found = true;
            Ok(false)
        })?;
        Ok(found)
    }

    /// Whether what is here between `low` and the end of a node is exactly what the other side has there.
    pub fn has_same(&self, low: &[u8], node: &SentNode) -> Result<bool> {
        let own = self.level(node.level);
        let Some(found) = self.store.node_from(own, &node.last)? else {
            return Ok(false);
        };
        if found.last != node.last || short(&found.digest) != node.digest {
            return Ok(false);
        }
        // A node that starts later leaves rows before it that the other side lacks.
        let before = self.store.node_before(own, &node.last)?;
        Ok(before.is_none_or(|before| before.last.as_slice() <= low))
    }

    /// Lists what is in the range by nodes of at most this level: each as high as fits into the range. Stops
    /// where `add` says false. Gives the key up to which the list goes.
    pub fn cover(
        &mut self,
        (low, high): Range<'_>,
        level_max: u8,
        mut add: impl FnMut(SentNode) -> bool,
    ) -> Result<Vec<u8>> {
        let mut at = low.to_vec();
        while at.as_slice() < high {
            let Some(leaf) = self.store.node_after(self.level(1), &at)? else {
                break;
            };
            match self.highest_node((&at, high), level_max)? {
                Some((level, node)) => {
                    let sent = SentNode {
                        last: node.last.clone(),
                        level,
                        digest: short(&node.digest),
                    };
                    if !add(sent) {
                        return Ok(at);
                    }
                    at = node.last;
                }
                None => {
                    let end = leaf.last.as_slice().min(high);
                    let mut is_cut = false;
                    let start = at.clone();
                    self.source.each(self.part, (&start, end), |row| {
                        let last = row.order();
                        let sent = SentNode {
                            last: last.clone(),
                            level: 0,
                            digest: short(&row.digest()),
                        };
                        is_cut = !add(sent);
                        if !is_cut {
                            at = last;
                        }
                        Ok(!is_cut)
                    })?;
                    if is_cut {
                        return Ok(at);
                    }
                    at = end.to_vec();
                }
            }
        }
        Ok(high.to_vec())
    }

    /// The highest node that ends in the range. It may begin before the range, where the key before the range
    /// is no end of a node here: then its rows before the range are compared once more.
    fn highest_node(&self, (low, high): Range<'_>, level_max: u8) -> Result<Option<(u8, Node)>> {
        for level in (1..=level_max).rev() {
            let node = self.store.node_after(self.level(level), low)?;
            if let Some(node) = node.filter(|node| node.last.as_slice() <= high) {
                return Ok(Some((level, node)));
            }
        }
        Ok(None)
    }
}
