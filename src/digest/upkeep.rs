//! Bringing all stored trees up to date with the log.
//!
//! ```text
//! columns changed, or writes to the table can't all be known: the table's trees are made anew
//! else: keys of log entries after the noted position, keys written unrecorded --> their nodes are made anew
//! ```
//! Why the keys of the log are enough: every recorded change of a row leaves an entry at a position that is
//! higher than all before it, and an entry that goes is replaced by a later one of the same key.

use super::source::{Source, order_of};
use super::tree::TreeUpkeep;
use crate::crdt::change::{DbVersion, Position, Seq, TableId};
use crate::crdt::digest::{Digest, Part, Root, database_digest, folded, table_digest};
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::inspect::DeclaredTable;
use crate::schema::{Crr, Key};
use crate::state::State;
use crate::store::Slot;
use crate::store::digest::{DigestState, Tree};
use crate::store::log::Run;
use hashbrown::{HashMap, HashSet};
use std::rc::Rc;

/// So many keys of the log are worked on at a time: about 4 MB.
const KEYS_MAX: usize = 1 << 16;

/// Before every entry.
const BEGINNING: Position = Position {
    version: DbVersion(0),
    seq: Seq(0),
};

/// The replicated tables that are there, in the order of their folded names.
pub fn tables(state: &State) -> Result<Vec<Rc<Crr>>> {
    let mut found = Vec::new();
    for id in state.store.registered_tables()? {
        found.extend(state.table(id)?);
    }
    found.sort_by_cached_key(|crr| folded(&crr.name));
    Ok(found)
}

/// The digest of a database by the roots of its tables, in the order of `tables`.
pub fn digest_of_all<'a>(roots: impl Iterator<Item = (&'a str, Root, Root)>) -> Digest {
    let with_rows = roots.filter(|(_, live, dead)| live.rows + dead.rows > 0);
    database_digest(with_rows.map(|(name, live, dead)| table_digest(name, &live, &dead)))
}

/// What is stored, if nothing was written since.
pub fn current(state: &State) -> Result<Option<DigestState>> {
    let Some(schema) = state.schema_with_digests()? else {
        return Ok(None);
    };
    let known = state.store.digest_state()?;
    Ok(known.filter(|known| !known.is_behind && known.schema == schema))
}

/// Makes the tables of the digests where they are not there yet, and takes the write lock.
pub fn prepare(state: &State) -> Result<()> {
    if state.schema_with_digests()?.is_none() {
        state.store.create_digests()?;
        state.forget_tables();
    }
    state.store.lock_digests()
}

/// Brings the trees up to date; what was written must be in the log already. The caller can undo it.
pub fn bring_up(state: &State) -> Result<()> {
    let store = &state.store;
    prepare(state)?;
    let known = store.digest_state()?;
    let schema = store.schema_version()?;
    let tables = tables(state)?;
    let mut trees = HashMap::new();
    let is_known_schema = known.is_some_and(|known| known.schema == schema);
    if !is_known_schema {
        forget_missing(state, &tables)?;
    }
    for crr in &tables {
        let stored = store.tree(crr.id)?.filter(|_| known.is_some());
        let is_exact = match &stored {
            Some(tree) if is_known_schema => tree.is_exact,
            _ => is_exact(state, crr)?,
        };
        let upkeep = match stored {
            Some(tree) if is_exact && tree.is_exact && describes(&tree.columns, crr) => {
                kept(tree, crr)
            }
            _ => rebuilt(state, crr, is_exact)?,
        };
        trees.insert(crr.id, upkeep);
    }
    let at = known.map_or(BEGINNING, |known| known.at);
    follow(state, at, &mut trees)?;
    for (table, upkeep) in trees.iter().filter(|(_, upkeep)| upkeep.is_changed) {
        store.put_tree(*table, &upkeep.tree)?;
    }
    let roots = tables.iter().filter_map(|crr| {
        let tree = &trees.get(&crr.id)?.tree;
        Some((crr.name.as_str(), tree.live, tree.dead))
    });
    let digest = digest_of_all(roots);
    let end = store.last_position()?.unwrap_or(BEGINNING).max(at);
    // A version that the schema never has: the digests of such tables are made anew each time.
    let schema = match trees.values().all(|upkeep| upkeep.tree.is_exact) {
        true => schema,
        false => -1,
    };
    store.put_digest_state(end, schema, &digest)
}

/// The trees of a table while they are brought up to date.
struct Upkeep {
    tree: Tree,
    /// Whether they were just made from the rows as they are
    is_new: bool,
    /// Whether they have to be written
    is_changed: bool,
}

/// Trees that only have to follow the log.
fn kept(tree: Tree, crr: &Crr) -> Upkeep {
    let columns = columns_of(crr);
    Upkeep {
        is_changed: tree.columns != columns,
        tree: Tree { columns, ..tree },
        is_new: false,
    }
}

fn rebuilt(state: &State, crr: &Rc<Crr>, is_exact: bool) -> Result<Upkeep> {
    state.store.forget_tree(crr.id)?;
    let mut source = Source::new(state, Rc::clone(crr))?;
    source.each_dead_record(|row| state.store.set_dead(crr.id, row.packed, Some(row.cl)))?;
    let mut root = |part| TreeUpkeep::new(&state.store, &mut source, part).rebuild();
    let tree = Tree {
        columns: columns_of(crr),
        is_exact,
        live: root(Part::Live)?,
        dead: root(Part::Dead)?,
    };
    Ok(Upkeep {
        tree,
        is_new: true,
        is_changed: true,
    })
}

/// Forgets the trees of tables that are no longer there.
fn forget_missing(state: &State, tables: &[Rc<Crr>]) -> Result<()> {
    let is_there = |id: &TableId| tables.iter().any(|crr| crr.id == *id);
    for id in state.store.tables_with_tree()? {
        if !is_there(&id) {
            state.store.forget_tree(id)?;
        }
    }
    Ok(())
}

/// Whether every write to the table fires a trigger. A row that is replaced because of another UNIQUE index
/// goes without one.
fn is_exact(state: &State, crr: &Crr) -> Result<bool> {
    let connection = state.store.connection;
    match DeclaredTable::read(connection, &crr.name)? {
        Some(declared) => declared.has_one_unique_index(connection),
        None => Ok(false),
    }
}

/// The ids and names of the columns.
fn columns_of(crr: &Crr) -> Vec<u8> {
    let mut bytes = Vec::new();
    for column in &crr.columns {
        bytes.extend_from_slice(&column.id.0.to_be_bytes());
        bytes.extend_from_slice(&(column.name.len() as u32).to_be_bytes());
        bytes.extend_from_slice(column.name.as_bytes());
    }
    bytes
}

/// Whether digests of rows made under those columns still hold: all of them are there. One that was added
/// since has no version in any row that was not written since.
fn describes(columns: &[u8], crr: &Crr) -> bool {
    let mut rest = columns;
    while let Some((id, after)) = rest.split_first_chunk::<4>() {
        let Some((length, after)) = after.split_first_chunk::<4>() else {
            return false;
        };
        let Some((name, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            return false;
        };
        let id = u32::from_be_bytes(*id);
        let is_there =
            |column: &crate::schema::Column| column.id.0 == id && column.name.as_bytes() == name;
        if !crr.columns.iter().any(is_there) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Follows the log from `at` and the notes of unrecorded writes.
fn follow(state: &State, at: Position, trees: &mut HashMap<TableId, Upkeep>) -> Result<()> {
    let mut touched = Touched::default();
    for (table, key) in state.store.take_touched()? {
        touched.add(trees, table, key);
    }
    let mut log = state.store.take(Slot::LogScanAfter)?;
    let outcome = (|| {
        log.bind(1, ValueRef::Integer(at.version.to_sql()))?;
        log.bind(2, ValueRef::Integer(at.seq.to_sql()))?;
        while log.step()? {
            let run = Run::read(&log)?;
            if trees.get(&run.table).is_none_or(|upkeep| upkeep.is_new) {
                continue;
            }
            for entry in run.split() {
                touched.add(trees, run.table, entry?.1);
            }
            if touched.count >= KEYS_MAX {
                touched.work_off(state, trees)?;
            }
        }
        touched.work_off(state, trees)
    })();
    state.store.give_back(Slot::LogScanAfter, log);
    outcome
}

/// Keys whose rows were written since.
#[derive(Default)]
struct Touched {
    keys: HashMap<TableId, HashSet<Key>>,
    count: usize,
}

impl Touched {
    fn add(&mut self, trees: &HashMap<TableId, Upkeep>, table: TableId, key: Key) {
        if trees.get(&table).is_some_and(|upkeep| !upkeep.is_new) {
            self.count += usize::from(self.keys.entry(table).or_default().insert(key));
        }
    }

    fn work_off(&mut self, state: &State, trees: &mut HashMap<TableId, Upkeep>) -> Result<()> {
        self.count = 0;
        for (table, keys) in std::mem::take(&mut self.keys) {
            let (Some(crr), Some(upkeep)) = (state.table(table)?, trees.get_mut(&table)) else {
                continue;
            };
            let mut source = Source::new(state, Rc::clone(&crr))?;
            let mut order = [const { Vec::new() }; 2];
            for key in &keys {
                let cl = state.store.clock(&crr, key)?.map(|clock| clock.cl);
                let dead = cl.filter(|cl| !cl.is_live());
                state.store.set_dead(table, &key.packed(), dead)?;
                for (part, order) in Part::ALL.into_iter().zip(&mut order) {
                    order.push(order_of(&crr, part, key)?);
                }
            }
            let [live, dead] = order;
            upkeep.is_changed = true;
            upkeep.tree.live =
                TreeUpkeep::new(&state.store, &mut source, Part::Live).update(live)?;
            upkeep.tree.dead =
                TreeUpkeep::new(&state.store, &mut source, Part::Dead).update(dead)?;
        }
        Ok(())
    }
}
