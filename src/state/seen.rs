//! The highest version in the file, and its digest, for as long as nobody changes the file.

use crate::crdt::change::DbVersion;
use crate::crdt::digest::Digest;
use crate::error::Result;
use crate::store::Store;
use crate::store::log::Appended;
use std::cell::Cell;

/// A version, and the state of the file that it was read from or committed with.
#[derive(Debug, Default)]
pub struct SeenVersion(Cell<Option<(u32, DbVersion)>>);

impl SeenVersion {
    /// The highest committed version, at the start of a transaction that writes to main: only there SQLite has looked
    /// whether others changed the file.
    pub fn get(&self, store: &Store) -> Result<DbVersion> {
        let state = state_of_file(store);
        if let Some((seen_in, version)) = self.0.get()
            && state == Some(seen_in)
        {
            return Ok(version);
        }
        let version = store.last_version()?;
        self.0.set(state.map(|state| (state, version)));
        Ok(version)
    }

    /// Forgets the version: what it was read from may not be what is in the file.
    pub fn forget(&self) {
        self.0.set(None);
    }

    /// Takes note of what was just committed; `before` was the highest version until then.
    pub fn keep(&self, store: &Store, before: Option<DbVersion>) {
        let committed = match (before, store.appended.get()) {
            (Some(before), Appended::Nothing) => Some(before),
            (Some(before), Appended::Until(latest)) => Some(latest.max(before)),
            _ => None,
        };
        let state = state_of_file(store);
        self.0.set(state.zip(committed));
    }
}

/// A digest, and the state of the file that it was read from.
#[derive(Debug, Default)]
pub struct SeenDigest(Cell<Option<(u32, Digest)>>);

impl SeenDigest {
    /// The digest if the file is still as it was, else what `read` finds, to be remembered if the file is in one state for
    /// all that is read.
    pub fn get(
        &self,
        store: &Store,
        read: impl FnOnce() -> Result<Option<Digest>>,
    ) -> Result<Option<Digest>> {
        let state = state_now(store)?;
        if let Some((seen_in, digest)) = self.0.get()
            && state == Some(seen_in)
        {
            return Ok(Some(digest));
        }
        let found = read()?;
        let is_same = state_of_file(store) == state;
        self.0.set(state.zip(found).filter(|_| is_same));
        Ok(found)
    }
}

/// The state that the file is in now; none while this connection changes it.
fn state_now(store: &Store) -> Result<Option<u32>> {
    if store.connection.is_writing(c"main") {
        return Ok(None);
    }
    Ok(store.while_reading(|| state_of_file(store))?.flatten())
}

/// The state of the file. A database in memory has none to go by: another that takes its place counts its states anew.
fn state_of_file(store: &Store) -> Option<u32> {
    let connection = store.connection;
    connection.is_file().then(|| connection.data_version())?
}
