//! A transaction that the extension begins and ends itself, where the application has none.

use super::Store;
use super::undo::Own;
use crate::error::Result;
use crate::sql;

/// A transaction; rolled back where it is dropped before its commit.
#[derive(Debug)]
pub struct OwnTransaction<'s> {
    store: &'s Store,
    _own: Own<'s>,
}

impl OwnTransaction<'_> {
    /// Begins one. It has no lock before its first write.
    pub fn begin(store: &Store) -> Result<OwnTransaction<'_>> {
        let transaction = OwnTransaction {
            store,
            _own: Own::new(store),
        };
        store.connection.execute(sql::TRANSACTION_BEGIN)?;
        Ok(transaction)
    }

    /// Commits it; an error undoes it.
    pub fn commit(self) -> Result<()> {
        self.store.connection.execute(sql::TRANSACTION_COMMIT)
    }
}

impl Drop for OwnTransaction<'_> {
    fn drop(&mut self) {
        self.store.end();
        if !self.store.connection.is_autocommit() {
            self.store.is_half_done.set(true);
        }
    }
}
