//! `crsql_digest`: what the logical state of a database comes to, kept up lazily from the log.

pub mod source;
mod tree;
pub mod upkeep;

use crate::crdt::digest::{Builder, Digest, Part, Root, table_digest};
use crate::crdt::order;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::sql::{literal, quoted};
use crate::sqlite::value::Arguments;
use crate::state::State;
use source::Source;
use std::rc::Rc;

const USAGE: &str =
    "call crsql_digest() for all replicated tables or crsql_digest('table') for one";

/// `crsql_digest([table])` -> BLOB of 32 bytes
pub fn digest(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    let digest = match (arguments.len(), arguments.get(0)) {
        (0, _) => database(state)?,
        (1, ValueRef::Text(name)) => one_table(state, &String::from_utf8_lossy(name))?,
        _ => return Err(Error::Usage(USAGE.to_owned())),
    };
    Ok(Value::Blob(digest.to_vec()))
}

fn database(state: &State) -> Result<Digest> {
    state.flush_keeping_rowid()?;
    let current = || {
        let current = state.or_empty(|| upkeep::current(state))?;
        Ok(current.map(|current| current.digest))
    };
    if let Some(current) = state.seen_digest(current)? {
        return Ok(current);
    }
    if try_store(state)?
        && let Some(stored) = state.store.digest_state()?
    {
        return Ok(stored.digest);
    }
    let tables = state.or_empty(|| upkeep::tables(state))?;
    let mut roots = Vec::new();
    for crr in &tables {
        let (live, dead) = compute(state, crr)?;
        roots.push((crr.name.as_str(), live, dead));
    }
    Ok(upkeep::digest_of_all(roots.into_iter()))
}

fn one_table(state: &State, name: &str) -> Result<Digest> {
    let crr = state
        .or_empty(|| state.table_by_name(name))?
        .ok_or_else(|| {
            Error::Usage(format!(
                "there is no replicated table {} here; SELECT crsql_as_crr({}) makes it one",
                quoted(name),
                literal(name)
            ))
        })?;
    state.flush_keeping_rowid()?;
    let is_stored = upkeep::current(state)?.is_some() || try_store(state)?;
    if is_stored && let Some(tree) = state.store.tree(crr.id)? {
        return Ok(table_digest(&crr.name, &tree.live, &tree.dead));
    }
    let (live, dead) = compute(state, &crr)?;
    Ok(table_digest(&crr.name, &live, &dead))
}

/// Brings the stored trees up to date; false where the file can't be written to now.
fn try_store(state: &State) -> Result<bool> {
    if !state.store.is_bootstrapped()? {
        return Ok(false);
    }
    match state.store.atomically(|| upkeep::bring_up(state)) {
        Ok(()) => Ok(true),
        Err(error) if error.is_about_writing() => Ok(false),
        Err(error) => Err(error.during("bringing the digests up to date")),
    }
}

/// Computes the roots of a table from its rows alone.
fn compute(state: &State, crr: &Rc<Crr>) -> Result<(Root, Root)> {
    let mut source = Source::new(state, Rc::clone(crr))?;
    let mut live = Builder::default();
    source.each(Part::Live, (order::FIRST, order::LAST), |row| {
        live.add(row.rank(), &row.digest());
        Ok(true)
    })?;
    let mut dead = Builder::default();
    source.each_dead_record(|row| {
        dead.add(row.rank(), &row.digest());
        Ok(())
    })?;
    Ok((live.finish(), dead.finish()))
}
