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
pub mod registry;
pub mod rows;
mod seen;
pub mod settings;
pub mod tables;
pub mod transaction;

pub use held::HeldRow;

use crate::crdt::change::TableId;
use crate::crdt::digest::Digest;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sql;
use crate::sqlite::Connection;
use crate::store::bootstrap::Identity;
use crate::store::{Slot, Store};
use crate::unique::Unique;
use records::Scratch;
use seen::{SeenDigest, SeenVersion};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;
use tables::Tables;
use transaction::Transaction;

/// Whose layout the file has, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// This extension's
    Own,
    /// This extension's, until the transaction that converted it is rolled back
    Converted,
    /// Another's, when it was last looked at
    Foreign,
}

/// What a trigger reports on.
#[derive(Debug)]
pub enum Reported {
    /// A replicated table
    Table(Rc<Crr>),
    /// One that is no replicated table any more
    Lost,
    /// One of another database
    Elsewhere,
}

/// The state of one connection.
#[derive(Debug)]
pub struct State {
    /// The internal tables
    pub store: Store,
    /// The keys that the connection makes
    pub unique: RefCell<Unique>,
    /// Whether a compiled statement keeps no journal although the application has triggers
    pub lacks_journals: Cell<bool>,
    identity: RefCell<Identity>,
    standing: Cell<Standing>,
    sync_bit: Cell<i64>,
    is_merging: Cell<bool>,
    is_enlisted: Cell<bool>,
    epoch: Cell<u64>,
    committed_at: Cell<Option<Instant>>,
    /// The transaction in which the triggers were looked at while nobody wrote to the temporary schema
    quiet_temp_since: Cell<Option<u64>>,
    tables: RefCell<Tables>,
    seen_version: SeenVersion,
    seen_digest: SeenDigest,
    transaction: RefCell<Transaction>,
    scratch: RefCell<Scratch>,
    on_drop: fn(Connection),
}

impl State {
    /// The state of a connection. Without an identity the file is another extension's. `on_drop` hears of the
    /// connection's end.
    pub fn new(store: Store, identity: Option<Identity>, on_drop: fn(Connection)) -> State {
        let standing = match identity {
            Some(_) => Standing::Own,
            None => Standing::Foreign,
        };
        State {
            store,
            unique: RefCell::default(),
            lacks_journals: Cell::new(false),
            identity: RefCell::new(identity.unwrap_or_default()),
            standing: Cell::new(standing),
            sync_bit: Cell::new(0),
            is_merging: Cell::new(false),
            is_enlisted: Cell::new(false),
            epoch: Cell::new(0),
            committed_at: Cell::new(None),
            quiet_temp_since: Cell::new(None),
            tables: RefCell::default(),
            seen_version: SeenVersion::default(),
            seen_digest: SeenDigest::default(),
            transaction: RefCell::default(),
            scratch: RefCell::default(),
            on_drop,
        }
    }

    /// Refuses a file that another extension keeps. It may have been converted since it was last looked at, by
    /// this connection or by another.
    pub fn check_layout(&self) -> Result<()> {
        if self.standing.get() != Standing::Foreign {
            return Ok(());
        }
        let identity = self.store.bootstrap(None)?;
        *self.identity.borrow_mut() = identity;
        self.standing.set(match self.is_enlisted.get() {
            true => Standing::Converted,
            false => Standing::Own,
        });
        self.forget_tables();
        Ok(())
    }

    /// The open transaction, or a part of it, is over: it may be the one that converted the file.
    fn distrust_layout(&self) {
        if self.standing.get() == Standing::Converted {
            self.standing.set(Standing::Foreign);
        }
    }

    /// This database's site id, as it was at load or at the last `crsql_site_id_reset`.
    pub fn site_id(&self) -> Result<Vec<u8>> {
        self.verify_tables()?;
        Ok(self.identity.borrow().site.clone())
    }

    /// Whether this is this database's site id.
    pub fn is_own_site(&self, site: &[u8]) -> Result<bool> {
        self.verify_tables()?;
        Ok(self.identity.borrow().site == site)
    }

    /// The same, where what is known of tables was just verified.
    pub fn is_verified_own_site(&self, site: &[u8]) -> bool {
        self.identity.borrow().site == site
    }

    /// The number that this database's triggers carry.
    pub fn database(&self) -> Result<i64> {
        self.verify_tables()?;
        Ok(self.identity.borrow().database)
    }

    /// Takes over another identity if the file got one since: then the number of the database is another too,
    /// and the schema has changed. An ordinal 0 that was edited by hand is left to the next load.
    fn refresh_identity(&self) -> Result<()> {
        let known = self.identity.borrow().database;
        let stored = self.or_empty(|| self.store.database_number())?;
        if stored.is_some_and(|stored| stored != known)
            && let Some(identity) = self.store.identity()?
        {
            *self.identity.borrow_mut() = identity;
        }
        Ok(())
    }

    /// Makes the internal tables again where they are gone: a load inside a transaction may be rolled back.
    pub fn ensure_bootstrapped(&self) -> Result<()> {
        self.check_layout()?;
        let known = self.identity.borrow().clone();
        let identity = self.store.bootstrap(Some(&known))?;
        *self.identity.borrow_mut() = identity;
        Ok(())
    }

    /// Runs `work` on the internal tables, or answers as an empty database does where they are gone. An error of the
    /// disk is one all the same: it may have undone the transaction that made them.
    pub fn or_empty<T: Default>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match work() {
            Err(error) if error.is_about_statement() && !self.store.is_bootstrapped()? => {
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

    /// Whether a merge is running.
    pub fn is_merging(&self) -> bool {
        self.is_merging.get()
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
        self.verified_table(id)
    }

    /// The table that a trigger reports on, by the numbers that it carries.
    pub fn table_of_trigger(&self, database: i64, id: TableId) -> Result<Reported> {
        self.verify_tables()?;
        if self.identity.borrow().database != database {
            return Ok(Reported::Elsewhere);
        }
        let table = self.verified_table(id)?;
        Ok(table.map_or(Reported::Lost, Reported::Table))
    }

    fn verified_table(&self, id: TableId) -> Result<Option<Rc<Crr>>> {
        let known = self.tables.borrow().by_id(id);
        match known {
            Some(crr) => Ok(Some(crr)),
            None => self.load_table(sql::TABLE_BY_ID, ValueRef::Integer(id.0)),
        }
    }

    /// The replicated table that was last asked for by name, if it was by this one.
    pub fn latest_table(&self, name: &[u8]) -> Result<Option<Rc<Crr>>> {
        self.verify_tables()?;
        Ok(self.tables.borrow().latest(name))
    }

    /// A replicated table by name, in any ASCII case.
    pub fn table_by_name(&self, name: &str) -> Result<Option<Rc<Crr>>> {
        self.verify_tables()?;
        let known = self.tables.borrow_mut().by_name(name);
        if known.is_some() {
            return Ok(known);
        }
        let folded = name.to_ascii_lowercase();
        self.load_table(sql::TABLE_BY_NAME, ValueRef::Text(folded.as_bytes()))
    }

    /// Reads a table into the cache. The cache is not borrowed meanwhile: a read that fails may end the transaction,
    /// and the cache hears of that.
    fn load_table(&self, query: &str, argument: ValueRef<'_>) -> Result<Option<Rc<Crr>>> {
        let loaded = tables::load(&self.store, query, argument)?;
        if let Some(crr) = &loaded {
            self.tables.borrow_mut().add(crr);
        }
        Ok(loaded)
    }

    /// The schema can change only between statements, and a statement that wrote a row moves the count of changes
    /// when it ends: so what a writing statement checked holds while that count stands still. What is checked in
    /// any other place does not.
    fn verify_tables(&self) -> Result<()> {
        let changes = self.store.connection.total_changes();
        if self.is_enlisted.get() && self.tables.borrow().is_checked_at(changes) {
            return Ok(());
        }
        let may_be_new = self.store.may_have_new_schema()?;
        if self.tables.borrow_mut().is_still_current(may_be_new) {
            return Ok(());
        }
        let version = self.store.schema_version()?;
        let is_known = self.tables.borrow().schema_version() == Some(version);
        let is_uncommitted = !is_known && self.store.connection.is_writing(c"main");
        // A schema that is rolled back gives its version back, too, and the next one will have it: that end must be
        // heard of.
        if is_uncommitted {
            self.enlist()?;
        }
        if !is_known {
            self.refresh_identity()?;
        }
        self.tables.borrow_mut().check(version, is_uncommitted);
        Ok(())
    }

    /// When the latest transaction that wrote to replicated tables let go of its lock. What SQLite does after it, as a
    /// checkpoint of the write-ahead log, keeps nobody out.
    pub fn committed_at(&self) -> Option<Instant> {
        self.committed_at.get()
    }

    /// Forgets a schema that may have been rolled back.
    pub fn forget_uncommitted_tables(&self) {
        let mut tables = self.tables.borrow_mut();
        tables.distrust_triggers();
        if tables.is_uncommitted() {
            *tables = Tables::default();
        }
    }

    /// The version of the schema that everything known of tables belongs to.
    pub fn known_schema_version(&self) -> Result<i64> {
        self.verify_tables()?;
        Ok(self.tables.borrow().schema_version().unwrap_or_default())
    }

    /// A statement is writing a row: what is known of tables holds until it ends. The changes that the extension
    /// itself just made are no sign of that.
    pub fn settle(&self) {
        let changes = self.store.connection.total_changes();
        self.tables.borrow_mut().settle(changes);
    }

    /// The schema may have changed although the count of changes did not move.
    pub fn distrust_tables(&self) {
        self.tables.borrow_mut().distrust();
    }

    /// Whether the application has triggers, which may write to a row while its write is being recorded.
    pub fn has_other_triggers(&self) -> Result<bool> {
        if let Some(known) = self.tables.borrow().known_other_triggers() {
            return Ok(known);
        }
        let is_enlisted = self.is_enlisted.get();
        let is_written = self.store.connection.is_writing(c"temp");
        // A temporary schema that changes is being written until the transaction ends.
        let was_quiet = self.quiet_temp_since.get() == Some(self.epoch());
        let latest = (was_quiet && !is_written)
            .then(|| self.tables.borrow().latest_other_triggers())
            .flatten();
        if let Some(known) = latest {
            self.tables.borrow_mut().keep_triggers_checked();
            return Ok(known);
        }
        let version = self.store.temp_version()?;
        let latest = self.tables.borrow().other_triggers_at(version);
        let has_other_triggers = match latest {
            Some(known) => known,
            None => tables::has_other_triggers(&self.store)?,
        };
        let is_heard = latest.is_some() || is_enlisted || !is_written;
        self.tables
            .borrow_mut()
            .note_triggers(has_other_triggers, is_heard.then_some(version));
        let is_quiet = is_enlisted && !is_written;
        self.quiet_temp_since.set(is_quiet.then_some(self.epoch()));
        Ok(has_other_triggers)
    }

    /// The digest of the database as `read` finds it, or found it if nobody changed the file since.
    pub fn seen_digest(
        &self,
        read: impl FnOnce() -> Result<Option<Digest>>,
    ) -> Result<Option<Digest>> {
        self.seen_digest.get(&self.store, read)
    }

    /// The version of the schema if a digest was ever asked for, so that there are trees to keep right.
    pub fn schema_with_digests(&self) -> Result<Option<i64>> {
        self.verify_tables()?;
        let known = self.tables.borrow().has_digests();
        let has_digests = match known {
            Some(known) => known,
            None => self.store.has_digests()?,
        };
        let mut tables = self.tables.borrow_mut();
        tables.note_digests(has_digests);
        Ok(tables.schema_version().filter(|_| has_digests))
    }

    /// Notes a write that is not recorded, for the digests: no log entry will tell of it. What a merge itself
    /// writes has one.
    pub fn note_unrecorded(&self, crr: &Crr, key: &Key) -> Result<()> {
        let is_merged = self.is_merging.get() && !self.has_other_triggers()?;
        if is_merged || self.schema_with_digests()?.is_none() {
            return Ok(());
        }
        self.store.touch(crr.id, key)?;
        self.settle();
        Ok(())
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
