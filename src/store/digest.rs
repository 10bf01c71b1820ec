//! The stored trees of digests: their nodes, their roots, and up to where in the log they are current.

use super::{Slot, Store};
use crate::crdt::change::{CausalLength, DbVersion, Position, Seq, TableId};
use crate::crdt::digest::{Digest, Part, Root};
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::Key;
use crate::sql;
use crate::sqlite::Statement;

/// One level of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The table
    pub table: TableId,
    /// Which rows
    pub part: Part,
    /// 1 for leaves
    pub level: u8,
}

/// A node, over the rows after the node before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The key of its last row as bytes that sort; `order::LAST` for the open end of a level
    pub last: Vec<u8>,
    /// How many levels that key ends
    pub rank: u8,
    /// How many rows it is over
    pub rows: u64,
    /// The digest
    pub digest: Digest,
}

/// Up to where the trees are current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestState {
    /// The end of the log then
    pub at: Position,
    /// The version of the schema then
    pub schema: i64,
    /// The digest of the database then
    pub digest: Digest,
    /// Whether rows were written since
    pub is_behind: bool,
}

/// The roots of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The ids and names of the columns that the digests of its rows speak of
    pub columns: Vec<u8>,
    /// Whether every write to the table can be known of
    pub is_exact: bool,
    /// The root over the rows that are there
    pub live: Root,
    /// The root over the deleted rows
    pub dead: Root,
}

impl Tree {
    /// The root of a part.
    pub fn root(&self, part: Part) -> &Root {
        match part {
            Part::Live => &self.live,
            Part::Dead => &self.dead,
        }
    }
}

fn blob(row: &Statement, column: usize) -> Vec<u8> {
    match row.value(column) {
        ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

fn digest(row: &Statement, column: usize) -> Result<Digest> {
    blob(row, column).try_into().map_err(|_| {
        Error::Corrupt(
            "a digest in the crsql_digest tables is damaged; DELETE FROM crsql_digest_state makes them anew"
                .to_owned(),
        )
    })
}

fn node(row: &Statement) -> Result<Node> {
    Ok(Node {
        last: blob(row, 0),
        rank: row.integer(1) as u8,
        rows: row.integer(2) as u64,
        digest: digest(row, 3)?,
    })
}

fn root(row: &Statement, first: usize) -> Result<Root> {
    Ok(Root {
        level: row.integer(first) as u8,
        rows: row.integer(first + 1) as u64,
        digest: digest(row, first + 2)?,
    })
}

fn integer(number: impl Into<i64>) -> ValueRef<'static> {
    ValueRef::Integer(number.into())
}

fn place(level: Level) -> [ValueRef<'static>; 3] {
    [
        integer(level.table.0),
        integer(level.part.number()),
        integer(level.level),
    ]
}

impl Store {
    /// Whether the tables of the digests are there.
    pub fn has_digests(&self) -> Result<bool> {
        let found = self
            .connection
            .prepare(sql::DIGEST_EXISTS)?
            .first([], |_| ())?;
        Ok(found.is_some())
    }

    /// Makes the tables of the digests.
    pub fn create_digests(&self) -> Result<()> {
        sql::DIGEST_TABLES
            .iter()
            .try_for_each(|text| self.connection.execute(text))
    }

    /// Takes the write lock: a transaction that reads first may be refused it later.
    pub fn lock_digests(&self) -> Result<()> {
        self.connection.execute(sql::DIGEST_LOCK)
    }

    /// Up to where the digests are current; none if they never were.
    pub fn digest_state(&self) -> Result<Option<DigestState>> {
        self.with(Slot::DigestState, |state| {
            state.first([], |row| {
                Ok(DigestState {
                    at: Position {
                        version: DbVersion(row.integer(0) as u64),
                        seq: Seq(row.integer(1) as u64),
                    },
                    schema: row.integer(2),
                    digest: digest(row, 3)?,
                    is_behind: row.integer(4) != 0,
                })
            })
        })?
        .transpose()
    }

    /// Notes that the digests are current up to `at`.
    pub fn put_digest_state(&self, at: Position, schema: i64, digest: &Digest) -> Result<()> {
        let mut put = self.connection.prepare(sql::DIGEST_PUT_STATE)?;
        put.run([
            integer(at.version.to_sql()),
            integer(at.seq.to_sql()),
            integer(schema),
            ValueRef::Blob(digest),
        ])?;
        Ok(())
    }

    /// Notes a key that was written without a log entry.
    pub fn touch(&self, table: TableId, key: &Key) -> Result<()> {
        self.with(Slot::DigestTouch, |touch| {
            touch.run([integer(table.0), key.stored()])
        })?;
        Ok(())
    }

    /// Takes the keys that were written without a log entry.
    pub fn take_touched(&self) -> Result<Vec<(TableId, Key)>> {
        let mut list = self.connection.prepare(sql::DIGEST_TOUCHED)?;
        let mut touched = Vec::new();
        while list.step()? {
            let key = match list.value(1) {
                ValueRef::Integer(rowid) => Key::Rowid(rowid),
                ValueRef::Blob(packed) => Key::Packed(packed.to_vec()),
                _ => continue,
            };
            touched.push((TableId(list.integer(0)), key));
        }
        self.connection.execute(sql::DIGEST_FORGET_TOUCHED)?;
        Ok(touched)
    }

    /// The ids of all registered tables, those that were dropped too.
    pub fn registered_tables(&self) -> Result<Vec<TableId>> {
        self.table_ids(sql::DIGEST_TABLES_KNOWN)
    }

    /// The ids of the tables that have a tree.
    pub fn tables_with_tree(&self) -> Result<Vec<TableId>> {
        self.table_ids(sql::DIGEST_KNOWN_TREES)
    }

    fn table_ids(&self, text: &str) -> Result<Vec<TableId>> {
        let mut list = self.connection.prepare(text)?;
        let mut ids = Vec::new();
        while list.step()? {
            ids.push(TableId(list.integer(0)));
        }
        Ok(ids)
    }

    /// Whether text is stored as UTF-8, whose bytes sort as the text does.
    pub fn stores_utf8(&self) -> Result<bool> {
        let encoding = self
            .connection
            .prepare(sql::ENCODING)?
            .first([], |row| row.text(0))?;
        Ok(encoding.as_deref() == Some("UTF-8"))
    }

    /// The roots of a table.
    pub fn tree(&self, table: TableId) -> Result<Option<Tree>> {
        self.with(Slot::DigestTree, |tree| {
            tree.first([integer(table.0)], |row| {
                Ok(Tree {
                    columns: blob(row, 0),
                    is_exact: row.integer(1) != 0,
                    live: root(row, 2)?,
                    dead: root(row, 5)?,
                })
            })
        })?
        .transpose()
    }

    /// Writes the roots of a table.
    pub fn put_tree(&self, table: TableId, tree: &Tree) -> Result<()> {
        let root = |root: &Root| [integer(root.level), integer(root.rows as i64)];
        let ([live_level, live_rows], [dead_level, dead_rows]) =
            (root(&tree.live), root(&tree.dead));
        let mut put = self.connection.prepare(sql::DIGEST_PUT_TREE)?;
        put.run([
            integer(table.0),
            ValueRef::Blob(&tree.columns),
            integer(i64::from(tree.is_exact)),
            live_level,
            live_rows,
            ValueRef::Blob(&tree.live.digest),
            dead_level,
            dead_rows,
            ValueRef::Blob(&tree.dead.digest),
        ])?;
        Ok(())
    }

    /// Forgets all that is stored of a table's digests, if anything is.
    pub fn forget_tree(&self, table: TableId) -> Result<()> {
        if !self.has_digests()? {
            return Ok(());
        }
        for text in [
            sql::DIGEST_REMOVE_TREE,
            sql::DIGEST_REMOVE_NODES,
            sql::DIGEST_REMOVE_ALL_DEAD,
        ] {
            self.connection.prepare(text)?.run([integer(table.0)])?;
        }
        self.connection.execute(sql::DIGEST_DISTRUST)
    }

    fn find_node(&self, slot: Slot, level: Level, key: &[u8]) -> Result<Option<Node>> {
        let [table, part, number] = place(level);
        self.with(slot, |find| {
            find.first([table, part, number, ValueRef::Blob(key)], node)
        })?
        .transpose()
    }

    /// The node that a key belongs to, or would.
    pub fn node_from(&self, level: Level, key: &[u8]) -> Result<Option<Node>> {
        self.find_node(Slot::DigestNodeFrom, level, key)
    }

    /// The first node that ends after a key.
    pub fn node_after(&self, level: Level, key: &[u8]) -> Result<Option<Node>> {
        self.find_node(Slot::DigestNodeAfter, level, key)
    }

    /// The last node that ends before a key.
    pub fn node_before(&self, level: Level, key: &[u8]) -> Result<Option<Node>> {
        self.find_node(Slot::DigestNodeBefore, level, key)
    }

    /// Reads the nodes that end after `low` and not after `high`.
    pub fn each_node(
        &self,
        level: Level,
        (low, high): (&[u8], &[u8]),
        mut visit: impl FnMut(Node) -> Result<()>,
    ) -> Result<()> {
        let [table, part, number] = place(level);
        let bounds = [ValueRef::Blob(low), ValueRef::Blob(high)];
        self.with(Slot::DigestNodeRange, |range| {
            range.bind_all([table, part, number].into_iter().chain(bounds))?;
            while range.step()? {
                visit(node(range)?)?;
            }
            Ok(())
        })
    }

    /// Writes a node.
    pub fn put_node(&self, level: Level, node: &Node) -> Result<()> {
        let [table, part, number] = place(level);
        self.with(Slot::DigestPutNode, |put| {
            put.run([
                table,
                part,
                number,
                ValueRef::Blob(&node.last),
                integer(node.rank),
                integer(node.rows as i64),
                ValueRef::Blob(&node.digest),
            ])
        })?;
        Ok(())
    }

    /// Removes the nodes that end after `low` and not after `high`.
    pub fn remove_nodes(&self, level: Level, (low, high): (&[u8], &[u8])) -> Result<()> {
        let [table, part, number] = place(level);
        let bounds = [ValueRef::Blob(low), ValueRef::Blob(high)];
        self.with(Slot::DigestRemoveNodes, |remove| {
            remove.run([table, part, number].into_iter().chain(bounds))
        })?;
        Ok(())
    }

    /// Removes the nodes above a level.
    pub fn remove_nodes_above(&self, level: Level) -> Result<()> {
        let mut remove = self.connection.prepare(sql::DIGEST_REMOVE_NODES_ABOVE)?;
        remove.run(place(level))?;
        Ok(())
    }

    /// Notes that a row is deleted, or that it is not.
    pub fn set_dead(&self, table: TableId, packed: &[u8], cl: Option<CausalLength>) -> Result<()> {
        let (table, key) = (integer(table.0), ValueRef::Blob(packed));
        match cl {
            Some(cl) => self.with(Slot::DigestPutDead, |put| {
                put.run([table, key, integer(cl.to_sql())])
            })?,
            None => self.with(Slot::DigestRemoveDead, |remove| remove.run([table, key]))?,
        };
        Ok(())
    }

    /// Reads the deleted rows after `low` and not after `high` until `visit` says false.
    pub fn each_dead(
        &self,
        table: TableId,
        (low, high): (&[u8], &[u8]),
        mut visit: impl FnMut(&[u8], CausalLength) -> Result<bool>,
    ) -> Result<()> {
        let bounds = [ValueRef::Blob(low), ValueRef::Blob(high)];
        self.with(Slot::DigestDeadRange, |range| {
            range.bind_all([integer(table.0)].into_iter().chain(bounds))?;
            while range.step()? {
                let cl = CausalLength(range.integer(1) as u64);
                let goes_on = match range.value(0) {
                    ValueRef::Blob(packed) => visit(packed, cl)?,
                    _ => true,
                };
                if !goes_on {
                    break;
                }
            }
            Ok(())
        })
    }
}
