//! The highest version in the file, for as long as nobody changes the file.

use crate::crdt::change::DbVersion;
use crate::error::Result;
use crate::store::Store;
use std::cell::Cell;

/// A version, and the state of the file that it was read from or committed with.
#[derive(Debug, Default)]
pub struct SeenVersion(Cell<Option<(u32, DbVersion)>>);

impl SeenVersion {
    /// The highest committed version, at the start of a transaction that writes.
    pub fn get(&self, store: &Store) -> Result<DbVersion> {
        let state = store.connection.data_version();
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

    /// Takes note of what was just committed; `before` was the highest version until then. Without entries in
    /// the log, or where a part of them was undone, the next transaction reads it.
    pub fn keep(&self, store: &Store, before: Option<DbVersion>) {
        let seen = match (
            before,
            store.appended.take(),
            store.connection.data_version(),
        ) {
            (Some(before), Some(appended), Some(state)) => Some((state, appended.max(before))),
            _ => None,
        };
        self.0.set(seen);
    }
}
