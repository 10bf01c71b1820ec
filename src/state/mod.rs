//! What the extension knows of one connection: its identity, the replicated tables, the open transaction.
//!
//! The file is the only truth. All that is kept here is either a cache that is checked before use, or work of
//! the open transaction that `sync` writes before the commit:
//! ```text
//! begin --(run, records and held row in memory)--> savepoint: remember the run and the records
//!                                              rollback_to: forget the held row, go back to that run
//!                                              sync: write both, or refuse to commit what is doomed
//!                                              commit, rollback: forget everything
//! ```

mod buffer;
pub mod deferred;
pub mod held;
pub mod notes;
mod records;
mod seen;
pub mod tables;
pub mod transaction;

pub use held::HeldRow;

use crate::crdt::change::TableId;
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::sqlite::Connection;
use crate::store::bootstrap::Identity;
use crate::store::{Slot, Store};
use seen::SeenVersion;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tables::Tables;
use transaction::Transaction;

/// The state of one connection.
#[derive(Debug)]
pub struct State {
    /// The internal tables
    pub store: Store,
    identity: RefCell<Identity>,
    sync_bit: Cell<i64>,
    is_merging: Cell<bool>,
    is_enlisted: Cell<bool>,
    epoch: Cell<u64>,
    tables: RefCell<Tables>,
    seen_version: SeenVersion,
    transaction: RefCell<Transaction>,
    on_drop: fn(Connection),
}

impl State {
    /// The state of a connection whose internal tables are there. `on_drop` hears of the connection's end.
    pub fn new(store: Store, identity: Identity, on_drop: fn(Connection)) -> State {
        State {
            store,
            identity: RefCell::new(identity),
            sync_bit: Cell::new(0),
            is_merging: Cell::new(false),
            is_enlisted: Cell::new(false),
            epoch: Cell::new(0),
            tables: RefCell::default(),
            seen_version: SeenVersion::default(),
            transaction: RefCell::default(),
            on_drop,
        }
    }

    /// This database's site id, as it was at load.
    pub fn site_id(&self) -> Vec<u8> {
        self.identity.borrow().site.clone()
    }

    /// Whether this is this database's site id.
    pub fn is_own_site(&self, site: &[u8]) -> bool {
        self.identity.borrow().site == site
    }

    /// The number that this database's triggers carry.
    pub fn database(&self) -> i64 {
        self.identity.borrow().database
    }

    /// Makes the internal tables again where they are gone: a load inside a transaction may be rolled back.
    pub fn ensure_bootstrapped(&self) -> Result<()> {
        let known = self.identity.borrow().clone();
        let identity = self.store.bootstrap(Some(&known))?;
        *self.identity.borrow_mut() = identity;
        Ok(())
    }

    /// Runs `work` on the internal tables, or answers as an empty database does where they are gone.
    pub fn or_empty<T: Default>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match work() {
            Err(error) if !self.store.is_bootstrapped()? => {
                drop(error);
                Ok(T::default())
            }
            outcome => outcome,
        }
    }

    /// What `crsql_internal_sync_bit()` says: 1 while a merge writes to a table.
    pub fn sync_bit(&self) -> i64 {
        if self.is_merging.get() {
            1
        } else {
            self.sync_bit.get()
        }
    }

    /// Sets the application's own bit.
    pub fn set_sync_bit(&self, bit: i64) {
        self.sync_bit.set(bit);
    }

    /// Whether writes are to be recorded.
    pub fn is_capturing(&self) -> bool {
        self.sync_bit() == 0
    }

    /// Whether a merge is writing, and no trigger left a note.
    pub fn is_merging_without_notes(&self) -> bool {
        self.is_merging.get() && self.transaction.borrow().has_no_notes()
    }

    /// Marks a merge's write until the guard goes; none if one is running already.
    pub fn start_merging(&self) -> Option<MergeGuard<'_>> {
        let was_merging = self.is_merging.replace(true);
        (!was_merging).then_some(MergeGuard(self))
    }

    /// Takes part in the transaction, so that SQLite tells of its end and of its savepoints.
    pub fn enlist(&self) -> Result<()> {
        if !self.is_enlisted.get() {
            let epoch = self.epoch();
            self.store.with(Slot::Enlist, |enlist| enlist.run([]))?;
            // In autocommit, outside of a writing statement, the transaction has begun and ended by now.
            if self.epoch() == epoch {
                return Err(Error::Table(
                    "a table called crsql_transaction hides an internal one, so that writes could not be recorded; \
                     rename it"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// A replicated table by id.
    pub fn table(&self, id: TableId) -> Result<Option<Rc<Crr>>> {
        self.verify_tables()?;
        self.tables.borrow_mut().by_id(&self.store, id)
    }

    /// A replicated table by name, in any ASCII case.
    pub fn table_by_name(&self, name: &str) -> Result<Option<Rc<Crr>>> {
        self.verify_tables()?;
        self.tables.borrow_mut().by_name(&self.store, name)
    }

    /// The schema can change only between statements, and a statement that wrote moves the count of changes
    /// when it ends: so while that count stands still, what was checked holds.
    fn verify_tables(&self) -> Result<()> {
        let changes = self.store.connection.total_changes();
        let mut tables = self.tables.borrow_mut();
        if self.is_enlisted.get() && tables.is_checked_at(changes) {
            return Ok(());
        }
        let version = self.store.schema_version()?;
        tables.check(&self.store, version, changes)
    }

    /// Takes the changes that the extension itself just made for no sign of another statement.
    pub fn settle(&self) {
        let changes = self.store.connection.total_changes();
        self.tables.borrow_mut().settle(changes);
    }

    /// Whether the application has triggers, which may write to a row while its write is being recorded.
    pub fn has_other_triggers(&self) -> bool {
        self.tables.borrow().has_other_triggers()
    }

    /// Forgets what is known of the schema.
    pub fn forget_tables(&self) {
        *self.tables.borrow_mut() = Tables::default();
    }

    /// Lets go of all statements, so that the connection can close; everything is made again on demand.
    pub fn release_statements(&self) {
        self.store.clear();
        self.forget_tables();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        (self.on_drop)(self.store.connection);
    }
}

/// While it lives, a merge is writing: nothing is captured.
#[derive(Debug)]
pub struct MergeGuard<'a>(&'a State);

impl Drop for MergeGuard<'_> {
    fn drop(&mut self) {
        self.0.is_merging.set(false);
    }
}
