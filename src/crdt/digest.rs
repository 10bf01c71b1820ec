//! Digests of the logical state: of a row, of the tree over the rows of a table, of a database.
//!
//! The shape of a tree depends on the keys alone: a hash of each key says how many levels of nodes it ends. So
//! two replicas with the same rows have the same tree, whatever the order in which the rows came.
//! docs/design.md describes the bytes that are hashed.

use super::change::{CausalLength, ColumnVersion};
use super::value::ValueRef;
use sha2::{Digest as _, Sha256};

/// SHA-256.
pub type Digest = [u8; 32];

/// Which rows of a table a tree is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Those that are there
    Live,
    /// Those that were deleted
    Dead,
}

impl Part {
    /// Both, in the order in which they are worked on.
    pub const ALL: [Part; 2] = [Part::Live, Part::Dead];

    /// Its number in the file and in messages.
    pub fn number(self) -> u8 {
        match self {
            Part::Live => 0,
            Part::Dead => 1,
        }
    }

    /// The part with this number.
    pub fn from_number(number: u8) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.number() == number)
    }
}

/// What is hashed begins with a byte that tells its kind.
mod domain {
    pub(super) const ROW: u8 = 0;
    pub(super) const NODE: u8 = 1;
    pub(super) const KEY: u8 = 2;
    pub(super) const TABLE: u8 = 3;
    pub(super) const DATABASE: u8 = 4;
}

/// A key ends a leaf if its hash begins with so many zero bits: one key in 64.
const LEAF_BITS: u32 = 6;

/// Each level above takes so many bits more: one node in 16 ends its parent.
const NODE_BITS: u32 = 4;

/// No tree is higher: the hash of a key is looked at up to its 64th bit.
pub const LEVEL_MAX: u8 = 15;

fn hasher(domain: u8) -> Sha256 {
    let mut hasher = Sha256::new();
    hasher.update([domain]);
    hasher
}

/// The number of levels of nodes that a key ends; 0 for most keys.
pub fn key_rank(packed: &[u8]) -> u8 {
    let hash: Digest = hasher(domain::KEY).chain_update(packed).finalize().into();
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    let zeros = u64::from_be_bytes(head).leading_zeros();
    match zeros.checked_sub(LEAF_BITS) {
        None => 0,
        Some(more) => 1 + (more / NODE_BITS) as u8,
    }
}

/// The form of a table's or column's name that all spellings of it share.
pub fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The digest of a row. The cells are those with a version, in ascending order of their folded names; a
/// deleted row has none.
pub fn row_digest<'a>(
    packed: &[u8],
    cl: CausalLength,
    cells: impl Iterator<Item = (&'a str, ColumnVersion, ValueRef<'a>)>,
) -> Digest {
    let mut hasher = hasher(domain::ROW);
    put_bytes(&mut hasher, packed);
    hasher.update(cl.0.to_be_bytes());
    for (name, version, value) in cells {
        put_bytes(&mut hasher, name.as_bytes());
        hasher.update(version.0.to_be_bytes());
        put_value(&mut hasher, value);
    }
    hasher.finalize().into()
}

fn put_bytes(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

fn put_value(hasher: &mut Sha256, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hasher.update([0]),
        ValueRef::Integer(integer) => {
            hasher.update([1]);
            hasher.update(integer.to_be_bytes());
        }
        // 0.0 and -0.0 are equal where replicas settle conflicts, so neither replaces the other.
        ValueRef::Real(real) => {
            hasher.update([2]);
            hasher.update((real + 0.0).to_be_bytes());
        }
        ValueRef::Text(text) => {
            hasher.update([3]);
            put_bytes(hasher, text);
        }
        ValueRef::Blob(blob) => {
            hasher.update([4]);
            put_bytes(hasher, blob);
        }
    }
}

/// The top of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The lowest level that has one node only; 0 if there are no rows
    pub level: u8,
    /// How many rows the tree is over
    pub rows: u64,
    /// The digest of that node
    pub digest: Digest,
}

impl Root {
    /// The root over no rows.
    pub fn empty() -> Root {
        Root {
            level: 0,
            rows: 0,
            digest: hasher(domain::NODE).chain_update([0]).finalize().into(),
        }
    }
}

/// The digest of a table: of its live rows, and of its deleted ones.
pub fn table_digest(name: &str, live: &Root, dead: &Root) -> Digest {
    let mut hasher = hasher(domain::TABLE);
    put_bytes(&mut hasher, folded(name).as_bytes());
    hasher.update(live.digest);
    hasher.update(dead.digest);
    hasher.finalize().into()
}

/// The digest of a database. The tables are those with live or deleted rows, in ascending order of their
/// folded names.
pub fn database_digest(tables: impl Iterator<Item = Digest>) -> Digest {
    let mut hasher = hasher(domain::DATABASE);
    tables.for_each(|table| hasher.update(table));
    hasher.finalize().into()
}

/// A check of bytes that are sent, against damage on the way.
pub fn checksum(bytes: &[u8]) -> [u8; 8] {
    let hash: Digest = Sha256::digest(bytes).into();
    let mut check = [0; 8];
    check.copy_from_slice(&hash[..8]);
    check
}

/// Gathers the children of one node after the other.
#[derive(Debug)]
pub struct Grouper {
    level: u8,
    hasher: Sha256,
    rows: u64,
    is_empty: bool,
}

impl Grouper {
    /// Of nodes of this level: a leaf, level 1, has rows for children.
    pub fn new(level: u8) -> Grouper {
        Grouper {
            level,
            hasher: hasher(domain::NODE).chain_update([level]),
            rows: 0,
            is_empty: true,
        }
    }

    /// Adds the next child.
    pub fn add(&mut self, digest: &Digest, rows: u64) {
        self.hasher.update(digest);
        self.rows += rows;
        self.is_empty = false;
    }

    /// Ends the node, and gives its digest and its number of rows; none if it has no children.
    pub fn close(&mut self) -> Option<(Digest, u64)> {
        if self.is_empty {
            return None;
        }
        let done = std::mem::replace(self, Grouper::new(self.level));
        Some((done.hasher.finalize().into(), done.rows))
    }
}

/// Computes a root from all rows, in the order of their keys, and keeps no nodes.
#[derive(Debug, Default)]
pub struct Builder {
    levels: Vec<BuilderLevel>,
}

#[derive(Debug)]
struct BuilderLevel {
    open: Grouper,
    nodes: u64,
    latest: Option<(Digest, u64)>,
}

impl Builder {
    /// Adds the next row.
    pub fn add(&mut self, rank: u8, digest: &Digest) {
        self.level(1).open.add(digest, 1);
        (1..=rank).for_each(|level| self.close(level));
    }

    fn level(&mut self, level: u8) -> &mut BuilderLevel {
        while self.levels.len() < usize::from(level) {
            let next = self.levels.len() as u8 + 1;
            self.levels.push(BuilderLevel {
                open: Grouper::new(next),
                nodes: 0,
                latest: None,
            });
        }
        &mut self.levels[usize::from(level) - 1]
    }

    fn close(&mut self, level: u8) {
        let own = self.level(level);
        let Some((digest, rows)) = own.open.close() else {
            return;
        };
        own.nodes += 1;
        own.latest = Some((digest, rows));
        self.level(level + 1).open.add(&digest, rows);
    }

    /// The root.
    pub fn finish(mut self) -> Root {
        for level in 1.. {
            self.close(level);
            let own = self.level(level);
            if own.nodes <= 1 {
                return own.latest.map_or(Root::empty(), |(digest, rows)| Root {
                    level,
                    rows,
                    digest,
                });
            }
        }
        Root::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::key;

    fn hex(digest: &[u8]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn packed(integer: i64) -> Vec<u8> {
        key::pack([ValueRef::Integer(integer)].into_iter())
    }

    #[test]
    fn a_row_digest_is_that_of_the_documented_bytes() {
        let cells = [("a", ColumnVersion(2), ValueRef::Text(b"x"))];
        let digest = row_digest(&packed(7), CausalLength(1), cells.into_iter());
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 9, 7];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 2]);
        bytes.extend([3, 0, 0, 0, 0, 0, 0, 0, 1, b'x']);
        assert_eq!(digest, <Digest>::from(Sha256::digest(&bytes)));
        assert_eq!(
            hex(&digest),
            "1c1534b63f4d3f4e42ce5a6e9d657ee893cc66164643a96f4646545116bcdefe"
        );
    }

    #[test]
    fn values_that_never_replace_each_other_have_one_digest() {
        let of = |value| {
            let cells = [("a", ColumnVersion(1), value)];
            row_digest(&packed(1), CausalLength(1), cells.into_iter())
        };
        assert_eq!(of(ValueRef::Real(0.0)), of(ValueRef::Real(-0.0)));
        assert_ne!(of(ValueRef::Real(1.0)), of(ValueRef::Integer(1)));
        assert_ne!(of(ValueRef::Text(b"a")), of(ValueRef::Blob(b"a")));
        assert_ne!(of(ValueRef::Null), of(ValueRef::Blob(b"")));
    }

    #[test]
    fn about_one_key_in_64_ends_a_leaf_and_one_in_1024_its_parent() {
        let ranks: Vec<u8> = (0..100_000).map(|i| key_rank(&packed(i))).collect();
        let at_least = |rank| ranks.iter().filter(|found| **found >= rank).count();
        assert!((1_300..1_850).contains(&at_least(1)), "{}", at_least(1));
        assert!((60..140).contains(&at_least(2)), "{}", at_least(2));
    }

    #[test]
    fn a_tree_is_over_its_rows_in_their_order() {
        let build = |keys: &[i64]| {
            let mut builder = Builder::default();
            for key in keys {
                let digest = row_digest(&packed(*key), CausalLength(1), std::iter::empty());
                builder.add(key_rank(&packed(*key)), &digest);
            }
            builder.finish()
        };
        assert_eq!(build(&[]), Root::empty());
        let all: Vec<i64> = (0..5000).collect();
        let root = build(&all);
        assert_eq!((root.level, root.rows), (3, 5000));
        assert_eq!(build(&all), root);
        assert_ne!(build(&all[1..]).digest, root.digest);
    }

    #[test]
    fn a_node_tells_its_level_and_a_group_is_not_its_only_child() {
        let row = row_digest(&packed(1), CausalLength(1), std::iter::empty());
        let close = |level: u8, child: &Digest| {
            let mut grouper = Grouper::new(level);
            grouper.add(child, 1);
            grouper.close().map(|(digest, _)| digest)
        };
        let leaf = close(1, &row);
        assert_ne!(leaf, Some(row));
        assert_ne!(leaf, close(2, &row));
        assert_eq!(Grouper::new(1).close(), None);
    }
}
