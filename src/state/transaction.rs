//! The open transaction: its version and seqs, and what it has not written yet.

use super::buffer::ClockBuffer;
use super::deferred::Waiting;
use super::notes::{Note, Notes};
use super::records::Bound;
use super::tables::Tables;
use super::{HeldRow, State};
use crate::crdt::change::{
    DbVersion, Position, SEQ_FOLLOWED_MAX, Seq, SiteOrdinal, TableId, VERSION_FOLLOWED_MAX,
};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::sqlite::triggers::compile_anew;
use crate::store::log::{Appended, Run};
use hashbrown::HashMap;
use std::rc::Rc;
use std::time::Instant;

/// Below this version no write happens: entries of the log may be dropped, versions are never given out again.
pub const VERSION_FLOOR: &str = "crsql_db_version_floor";

/// Notes that this database's site id was met in changes that it did not make; the value is the version then.
pub const SHARED_SITE_ID: &str = "crsql_site_id_shared";

/// Updates that fail, or that a trigger ignores, leave rows behind that nobody asks for. Of nested updates no
/// more than SQLite's limit of 1,000 nested triggers can be under way.
const BEFORES_MAX: usize = 1_000;

/// The version counter of the open transaction.
#[derive(Debug, Clone, Copy)]
struct Clock {
    committed: DbVersion,
    version: DbVersion,
    next_seq: Seq,
}

impl Clock {
    /// Gives out so many seqs.
    fn reserve(&mut self, count: u64) -> Position {
        let at = Position {
            version: self.version,
            seq: self.next_seq,
        };
        self.next_seq = at.seq.plus(count);
        at
    }
}

/// Positions that are about to be reserved.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    at: Position,
    after: Clock,
}

/// What a savepoint has to bring back.
#[derive(Debug)]
struct Savepoint {
    index: i32,
    /// Shared until one more key comes: most savepoints are released before
    run: Option<Rc<Run>>,
    rows_impacted: i64,
    notes: u64,
}

/// The state of the open transaction.
#[derive(Debug, Default)]
pub struct Transaction {
    clock: Option<Clock>,
    version_wish: DbVersion,
    /// The run that grows, and full ones before it
    pub(super) run: Option<Rc<Run>>,
    pub(super) full_runs: Vec<Rc<Run>>,
    pub(super) held: Option<Box<HeldRow>>,
    pub(super) clocks: ClockBuffer,
    notes: Notes,
    savepoints: Vec<Savepoint>,
    rows_impacted: i64,
    /// Whether the row that a merge last came to was new
    expects_new_rows: bool,
    pub(super) merge_equal_values: Option<bool>,
    pub(super) last_clock_keys: HashMap<TableId, Bound>,
    sites: HashMap<Vec<u8>, SiteOrdinal>,
    latest_site: Option<(Vec<u8>, SiteOrdinal)>,
    /// The tables whose triggers don't name all columns
    pub(super) stale_tables: Vec<TableId>,
    /// Whether columns were registered, which a rollback undoes without moving the schema's version
    pub(super) has_registered: bool,
    /// Whether an alter session was opened
    has_session: bool,
    /// The version of the schema when it was last looked whether parked changes are due
    parked_checked_at: Option<i64>,
    /// Whether changes of unknown tables and columns are refused
    pub(super) refuses_unknown: Option<bool>,
    /// Rows that updates of an alter session are about to change
    pub(super) befores: Vec<(TableId, Key, Vec<Value>)>,
    /// The innermost savepoint at the time of a half-done statement; -1 outside of all
    doomed_in: Option<i32>,
}

impl Transaction {
    /// The triggers of this table are to be made anew before the commit.
    pub fn note_stale(&mut self, table: TableId) {
        if !self.stale_tables.contains(&table) {
            self.stale_tables.push(table);
        }
    }

    /// Puts what `make` gives for so many seqs among the records, unless there is one of this row: then the key comes
    /// back.
    pub(super) fn defer(
        &mut self,
        crr: &Rc<Crr>,
        key: Key,
        seqs: u64,
        make: impl FnOnce(Position) -> Waiting,
    ) -> Option<Key> {
        match &mut self.clock {
            Some(clock) => self
                .clocks
                .put_first(crr, key, || make(clock.reserve(seqs))),
            None => Some(key),
        }
    }

    /// Forgets everything, but not the memory that the next one needs too.
    fn restart(&mut self) {
        let Transaction {
            clock,
            version_wish,
            run,
            full_runs,
            held,
            clocks,
            notes,
            savepoints,
            rows_impacted,
            expects_new_rows,
            merge_equal_values,
            last_clock_keys,
            sites,
            latest_site,
            stale_tables,
            has_registered,
            has_session,
            parked_checked_at,
            refuses_unknown,
            befores,
            doomed_in,
        } = self;
        *clock = None;
        *version_wish = DbVersion::default();
        *run = None;
        full_runs.clear();
        *held = None;
        clocks.restart();
        notes.forget();
        savepoints.clear();
        *rows_impacted = 0;
        *expects_new_rows = false;
        *merge_equal_values = None;
        last_clock_keys.clear();
        sites.clear();
        *latest_site = None;
        stale_tables.clear();
        *has_registered = false;
        *has_session = false;
        *parked_checked_at = None;
        *refuses_unknown = None;
        befores.clear();
        *doomed_in = None;
    }

    fn count_savepoints_outside(&self, index: i32) -> usize {
        let savepoints = self.savepoints.iter();
        savepoints
            .filter(|savepoint| savepoint.index < index)
            .count()
    }
}

impl State {
    /// The highest version in the file as this connection sees it, apart from the open transaction's own.
    pub fn committed_version(&self) -> Result<DbVersion> {
        if let Some(clock) = self.transaction.borrow().clock {
            return Ok(clock.committed);
        }
        self.or_empty(|| self.store.last_version())
    }

    /// Makes sure that versions given out so far stay so when entries leave the log.
    pub fn keep_version_floor(&self) -> Result<()> {
        let floor = self.store.last_version()?.to_sql();
        self.store
            .set_setting(VERSION_FLOOR, ValueRef::Integer(floor))
    }

    /// Notes that a merge brought a change under this database's own id that was not known here: two files share
    /// the id, or this one went back to an earlier state. Where tables were dropped it is no sign of either.
    pub fn note_own_change_from_elsewhere(&self) -> Result<()> {
        for key in [SHARED_SITE_ID, VERSION_FLOOR] {
            if self.store.setting(key)?.is_some() {
                return Ok(());
            }
        }
        let version = self.committed_version()?.to_sql();
        self.store
            .set_setting(SHARED_SITE_ID, ValueRef::Integer(version))?;
        self.settle();
        Ok(())
    }

    fn clock(&self) -> Result<Clock> {
        if let Some(clock) = self.transaction.borrow().clock {
            return Ok(clock);
        }
        let committed = match self.is_enlisted.get() {
            true => self.or_empty(|| self.seen_version.get(&self.store))?,
            false => self.committed_version()?,
        };
        let mut transaction = self.transaction.borrow_mut();
        let version = committed.next().max(transaction.version_wish);
        let clock = Clock {
            committed,
            version,
            next_seq: Seq(0),
        };
        if self.is_enlisted.get() {
            transaction.clock = Some(clock);
        }
        Ok(clock)
    }

    /// The version that the open transaction's next change gets.
    pub fn pending_version(&self) -> Result<DbVersion> {
        if self.is_enlisted.get() {
            let wish = self.transaction.borrow().version_wish;
            return Ok(self.clock()?.version.max(wish));
        }
        Ok(self.committed_version()?.next())
    }

    /// Raises the open transaction's version to at least `version`.
    pub fn wish_version(&self, version: DbVersion) -> Result<()> {
        self.enlist()?;
        if !self.is_enlisted.get() {
            return Ok(());
        }
        let clock = self.clock()?;
        let mut transaction = self.transaction.borrow_mut();
        transaction.version_wish = version;
        if version > clock.version {
            transaction.clock = Some(Clock {
                version,
                next_seq: Seq(0),
                ..clock
            });
        }
        Ok(())
    }

    /// The next seq of the open transaction.
    pub fn next_seq(&self) -> Seq {
        self.transaction
            .borrow()
            .clock
            .map_or(Seq(0), |clock| clock.next_seq)
    }

    /// Makes sure that the open transaction has its version.
    pub(super) fn start_clock(&self) -> Result<()> {
        self.clock().map(drop)
    }

    /// Reserves `count` seqs of the open transaction.
    pub fn reserve(&self, count: u64) -> Result<Position> {
        let mut clock = self.clock()?;
        let at = clock.reserve(count);
        if self.is_enlisted.get() {
            self.transaction.borrow_mut().clock = Some(clock);
        }
        Ok(at)
    }

    /// Plans the positions of a merged change: never before what this transaction has, and with the change's
    /// own seq where that is still free. Nothing is reserved until `keep`, and `keep` can't fail.
    pub fn plan_merged(&self, version: DbVersion, seq: Seq, count: u64) -> Result<Planned> {
        let mut clock = self.clock()?;
        if version > clock.version && version <= VERSION_FOLLOWED_MAX {
            clock = Clock {
                version,
                next_seq: Seq(0),
                ..clock
            };
        }
        let kept = Some(seq).filter(|seq| *seq <= SEQ_FOLLOWED_MAX);
        let at = Position {
            version: clock.version,
            seq: clock.next_seq.max(kept.unwrap_or_default()),
        };
        Ok(Planned {
            at,
            after: Clock {
                next_seq: at.seq.plus(count),
                ..clock
            },
        })
    }

    /// Reserves what was planned.
    pub fn keep(&self, planned: Planned) -> Position {
        self.transaction.borrow_mut().clock = Some(planned.after);
        planned.at
    }

    /// Makes sure that these positions are not given out.
    pub fn pass(&self, at: Position, count: u64) {
        let mut transaction = self.transaction.borrow_mut();
        if let Some(clock) = &mut transaction.clock
            && clock.version == at.version
        {
            clock.next_seq = clock.next_seq.max(at.seq.plus(count));
        }
    }

    /// Whether the next row that a merge comes to will most likely be new, as the last one was.
    pub fn expects_new_rows(&self) -> bool {
        self.transaction.borrow().expects_new_rows
    }

    /// A merge came to a row that is new here, or is not.
    pub fn note_row(&self, is_new: bool) {
        self.transaction.borrow_mut().expects_new_rows = is_new;
    }

    /// Counts changes that a merge applied.
    pub fn count_impact(&self, changes: i64) {
        self.transaction.borrow_mut().rows_impacted += changes;
    }

    /// Changes that merges of the open transaction applied.
    pub fn rows_impacted(&self) -> i64 {
        self.transaction.borrow().rows_impacted
    }

    /// Whether it is time to look for parked changes that are due: once a transaction, and again when the
    /// schema moved.
    pub fn is_parked_due(&self) -> Result<bool> {
        let version = self.known_schema_version()?;
        let mut transaction = self.transaction.borrow_mut();
        Ok(transaction.parked_checked_at.replace(version) != Some(version))
    }

    /// An alter session was opened.
    pub fn note_session(&self) {
        self.transaction.borrow_mut().has_session = true;
    }

    /// Whether an alter session was opened in this transaction.
    pub fn has_session(&self) -> bool {
        self.transaction.borrow().has_session
    }

    /// Refuses a transaction that holds half-done work.
    pub fn check_doomed(&self) -> Result<()> {
        let is_doomed = self.transaction.borrow().doomed_in.is_some();
        match is_doomed || self.store.is_half_done.get() {
            true => Err(Error::Doomed),
            false => Ok(()),
        }
    }

    /// The number of a site.
    pub fn site_ordinal(&self, id: &[u8]) -> Result<SiteOrdinal> {
        if let Some((latest, ordinal)) = &self.transaction.borrow().latest_site
            && latest == id
        {
            return Ok(*ordinal);
        }
        let known = self.transaction.borrow().sites.get(id).copied();
        let ordinal = known.map_or_else(|| self.store.site_ordinal(id), Ok)?;
        let mut transaction = self.transaction.borrow_mut();
        if known.is_none() {
            transaction.sites.insert(id.to_vec(), ordinal);
        }
        transaction.latest_site = Some((id.to_vec(), ordinal));
        Ok(ordinal)
    }

    /// Leaves a note for the capture of this key.
    pub fn leave_note(&self, table: TableId, key: Key, note: Note) {
        self.transaction.borrow_mut().notes.leave(table, key, note);
    }

    /// Whether there are notes.
    pub fn has_notes(&self) -> bool {
        !self.transaction.borrow().notes.is_empty()
    }

    /// Takes the note on this key.
    pub fn take_note(&self, table: TableId, key: &Key) -> Option<Note> {
        self.transaction.borrow_mut().notes.take(table, key)
    }

    /// Keeps the columns of a row that an update is about to change.
    pub fn keep_before(&self, table: TableId, key: Key, values: Vec<Value>) {
        let befores = &mut self.transaction.borrow_mut().befores;
        if befores.len() == BEFORES_MAX {
            befores.remove(0);
        }
        befores.push((table, key, values));
    }

    /// Takes the columns of a row as the innermost update found them.
    pub fn take_before(&self, table: TableId, key: &Key) -> Option<Vec<Value>> {
        let befores = &mut self.transaction.borrow_mut().befores;
        let place = befores
            .iter()
            .rposition(|(of, kept, _)| *of == table && kept == key)?;
        Some(befores.remove(place).2)
    }

    /// Tells whether this is still the same transaction: an error may have ended it underneath.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    fn start_epoch(&self) {
        self.epoch.set(self.epoch.get() + 1);
    }

    /// Refuses the commit of this transaction, unless a rollback goes past this point.
    pub fn doom(&self) {
        let mut transaction = self.transaction.borrow_mut();
        let innermost = transaction
            .savepoints
            .last()
            .map_or(-1, |savepoint| savepoint.index);
        transaction.doomed_in.get_or_insert(innermost);
    }

    /// Refuses the commit of this transaction, whatever is rolled back: what is in memory may be of work that is undone.
    pub fn doom_transaction(&self) {
        self.transaction.borrow_mut().doomed_in = Some(-1);
    }

    /// SQLite: the transaction starts to write.
    pub fn on_begin(&self) {
        self.start_epoch();
        self.is_enlisted.set(true);
        self.store.appended.take();
        self.store.is_half_done.set(false);
        self.transaction.borrow_mut().restart();
    }

    /// SQLite: the transaction is about to be committed.
    pub fn on_sync(&self) -> Result<()> {
        self.check_doomed()?;
        self.flush_keeping_rowid()
    }

    /// SQLite: the transaction was committed.
    pub fn on_commit(&self) {
        self.committed_at.set(Some(Instant::now()));
        let before = self.transaction.borrow().clock.map(|clock| clock.committed);
        self.seen_version.keep(&self.store, before);
        self.on_end();
        self.tables.borrow_mut().keep();
    }

    /// SQLite: the transaction was rolled back.
    pub fn on_rollback(&self) {
        self.seen_version.forget();
        self.on_end();
        self.forget_uncommitted_tables();
    }

    fn on_end(&self) {
        self.start_epoch();
        if self.lacks_journals.get() && compile_anew(self.store.connection) {
            self.lacks_journals.set(false);
        }
        self.is_enlisted.set(false);
        self.store.is_half_done.set(false);
        self.distrust_layout();
        let has_registered = {
            let mut ended = self.transaction.borrow_mut();
            let has_registered = ended.has_registered;
            ended.restart();
            has_registered
        };
        let mut tables = self.tables.borrow_mut();
        if has_registered {
            *tables = Tables::default();
        }
        tables.distrust();
        tables.release_foreign_statements();
    }

    /// SQLite: a savepoint is about to be set.
    pub fn on_savepoint(&self, index: i32) -> Result<()> {
        if self.has_to_write_before_savepoint() {
            self.store
                .connection
                .keeping_last_insert_rowid(|| self.write_before_savepoint())?;
        }
        let mut transaction = self.transaction.borrow_mut();
        // SQLite gives an index anew after it announced a savepoint that it then had no memory for.
        let outside = transaction.count_savepoints_outside(index);
        transaction.savepoints.truncate(outside);
        transaction.clocks.release(outside);
        let run = transaction.run.clone();
        let (rows_impacted, notes) = (transaction.rows_impacted, transaction.notes.count);
        transaction.savepoints.push(Savepoint {
            index,
            run,
            rows_impacted,
            notes,
        });
        transaction.clocks.mark();
        Ok(())
    }

    /// SQLite: this savepoint and those inside it are gone.
    pub fn on_release(&self, index: i32) {
        let mut transaction = self.transaction.borrow_mut();
        transaction
            .savepoints
            .retain(|savepoint| savepoint.index < index);
        let kept = transaction.savepoints.len();
        transaction.clocks.release(kept);
        transaction.doomed_in = transaction.doomed_in.map(|doomed| doomed.min(index - 1));
    }

    /// SQLite: the work since this savepoint is undone; the savepoint stays. The version and the seqs that
    /// were given out since stay given out.
    pub fn on_rollback_to(&self, index: i32) {
        self.store.appended.set(Appended::Unknown);
        let mut guard = self.transaction.borrow_mut();
        let transaction = &mut *guard;
        let outside = transaction.count_savepoints_outside(index);
        let reached = transaction.savepoints.drain(outside..).next();
        let (run, rows_impacted, notes) = match reached {
            Some(savepoint) if savepoint.index == index => {
                transaction.clocks.undo(outside);
                (savepoint.run, savepoint.rows_impacted, savepoint.notes)
            }
            // A savepoint older than the first write was never announced: nothing was done when it was set.
            _ => {
                transaction.clocks.forget();
                (None, 0, 0)
            }
        };
        transaction.notes.undo(notes);
        transaction.savepoints.push(Savepoint {
            index,
            run: run.clone(),
            rows_impacted,
            notes,
        });
        transaction.clocks.mark();
        transaction.run = run;
        transaction.full_runs.clear();
        transaction.rows_impacted = rows_impacted;
        transaction.held = None;
        transaction.sites.clear();
        transaction.latest_site = None;
        transaction.merge_equal_values = None;
        transaction.refuses_unknown = None;
        transaction.parked_checked_at = None;
        transaction.last_clock_keys.clear();
        transaction.befores.clear();
        transaction.doomed_in = transaction.doomed_in.filter(|doomed| *doomed < index);
        let has_registered = transaction.has_registered;
        drop(guard);
        self.distrust_layout();
        let mut tables = self.tables.borrow_mut();
        if has_registered {
            *tables = Tables::default();
        }
        tables.distrust();
    }
}
