//! The open transaction: its version and seqs, and what it has not written yet.

use super::buffer::{ClockBuffer, Drained, RECORDS_MAX};
use super::{HeldRow, State};
use crate::crdt::change::{
    ColumnVersion, DbVersion, Position, Seq, SiteOrdinal, TableId, VERSION_FOLLOWED_MAX,
};
use crate::crdt::clock::RowClock;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Crr, Key};
use crate::store::log::Run;
use hashbrown::HashMap;
use std::rc::Rc;

/// Names the setting by which equal values are settled by site.
pub const MERGE_EQUAL_VALUES: &str = "config.merge-equal-values";

/// Below this version no write happens: entries of the log may be dropped, versions are never given out again.
const VERSION_FLOOR: &str = "crsql_db_version_floor";

/// `INSERT OR IGNORE` leaves notes that nobody takes, so only the latest are kept. A note is lost only if
/// triggers leave more than this between it and the capture it is for.
const NOTES_MAX: usize = 1 << 16;

/// What a trigger found before the row it announces was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The key was there
    Existing,
    /// The row's insert has been recorded already
    Recorded,
}

/// The version counter of the open transaction.
#[derive(Debug, Clone, Copy)]
struct Clock {
    committed: DbVersion,
    version: DbVersion,
    next_seq: Seq,
}

/// The latest notes, in two generations of at most `NOTES_MAX`, each with its number.
#[derive(Debug, Default)]
struct Notes {
    young: HashMap<(TableId, Key), (Note, u64)>,
    old: HashMap<(TableId, Key), (Note, u64)>,
    count: u64,
}

impl Notes {
    fn leave(&mut self, table: TableId, key: Key, note: Note) {
        if self.young.len() == NOTES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.count += 1;
        self.young.insert((table, key), (note, self.count));
    }

    fn take(&mut self, table: TableId, key: &Key) -> Option<Note> {
        if self.young.is_empty() && self.old.is_empty() {
            return None;
        }
        let place = (table, key.clone());
        let (young, old) = (self.young.remove(&place), self.old.remove(&place));
        young.or(old).map(|(note, _)| note)
    }

    /// Drops the notes after the first `count`: what they are about was undone.
    fn undo(&mut self, count: u64) {
        self.young.retain(|_, (_, number)| *number <= count);
        self.old.retain(|_, (_, number)| *number <= count);
    }
}

/// Positions that are about to be reserved.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    at: Position,
    after: Clock,
}

/// So many records are looked for one by one before the greatest key is.
const LOOKUPS_BEFORE_BOUND: u32 = 3;

/// What is known of the greatest key with a stored record.
#[derive(Debug)]
enum Bound {
    /// Nothing, after so many look-ups
    Unknown(u32),
    /// It is this one; none if there are no records
    Known(Option<Key>),
}

/// What a savepoint has to bring back.
#[derive(Debug)]
struct Savepoint {
    index: i32,
    run: Option<Run>,
    rows_impacted: i64,
    notes: u64,
}

/// The state of the open transaction.
#[derive(Debug, Default)]
pub struct Transaction {
    clock: Option<Clock>,
    version_wish: DbVersion,
    run: Option<Run>,
    held: Option<HeldRow>,
    clocks: ClockBuffer,
    notes: Notes,
    savepoints: Vec<Savepoint>,
    rows_impacted: i64,
    merge_equal_values: Option<bool>,
    last_clock_keys: HashMap<TableId, Bound>,
    sites: HashMap<Vec<u8>, SiteOrdinal>,
    /// The innermost savepoint at the time of a half-done statement; -1 outside of all
    doomed_in: Option<i32>,
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

    fn clock(&self) -> Result<Clock> {
        if let Some(clock) = self.transaction.borrow().clock {
            return Ok(clock);
        }
        let committed = self.committed_version()?;
        let mut transaction = self.transaction.borrow_mut();
        let version = committed.next().max(transaction.version_wish);
        let clock = Clock {
            committed,
            version,
            next_seq: Seq(0),
        };
        transaction.clock = Some(clock);
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

    /// Reserves `count` seqs of the open transaction.
    pub fn reserve(&self, count: u64) -> Result<Position> {
        let clock = self.clock()?;
        let at = Position {
            version: clock.version,
            seq: clock.next_seq,
        };
        let next_seq = clock.next_seq.plus(count);
        self.transaction.borrow_mut().clock = Some(Clock { next_seq, ..clock });
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
        let at = Position {
            version: clock.version,
            seq: clock.next_seq.max(seq),
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

    /// Counts changes that a merge applied.
    pub fn count_impact(&self, changes: i64) {
        self.transaction.borrow_mut().rows_impacted += changes;
    }

    /// Changes that merges of the open transaction applied.
    pub fn rows_impacted(&self) -> i64 {
        self.transaction.borrow().rows_impacted
    }

    /// Whether equal values are settled by site.
    pub fn merges_equal_values(&self) -> Result<bool> {
        if let Some(known) = self.transaction.borrow().merge_equal_values {
            return Ok(known);
        }
        let stored = self.or_empty(|| self.store.setting(MERGE_EQUAL_VALUES))?;
        let is_set = stored == Some(Value::Integer(1));
        if self.is_enlisted.get() {
            self.transaction.borrow_mut().merge_equal_values = Some(is_set);
        }
        Ok(is_set)
    }

    /// Sets how equal values are settled.
    pub fn set_merge_equal_values(&self, is_set: bool) -> Result<()> {
        self.store.atomically(|| {
            self.enlist()?;
            self.flush()?;
            self.store
                .set_setting(MERGE_EQUAL_VALUES, ValueRef::Integer(i64::from(is_set)))?;
            self.transaction.borrow_mut().merge_equal_values = Some(is_set);
            if is_set {
                self.store.make_keys_findable()?;
            }
            Ok(())
        })
    }

    /// The number of a site.
    pub fn site_ordinal(&self, id: &[u8]) -> Result<SiteOrdinal> {
        if let Some(ordinal) = self.transaction.borrow().sites.get(id) {
            return Ok(*ordinal);
        }
        let ordinal = self.store.site_ordinal(id)?;
        self.transaction
            .borrow_mut()
            .sites
            .insert(id.to_vec(), ordinal);
        Ok(ordinal)
    }

    /// Leaves a note for the capture of this key.
    pub fn leave_note(&self, table: TableId, key: Key, note: Note) {
        self.transaction.borrow_mut().notes.leave(table, key, note);
    }

    /// Takes the note on this key.
    pub fn take_note(&self, table: TableId, key: &Key) -> Option<Note> {
        self.transaction.borrow_mut().notes.take(table, key)
    }

    /// The record of a row.
    pub fn find_clock(&self, crr: &Crr, key: &Key) -> Result<Option<RowClock>> {
        if let Some(clock) = self.transaction.borrow().clocks.get(crr.id, key) {
            return Ok(Some(clock.clone()));
        }
        if self.is_beyond_clocks(crr, key)? {
            return Ok(None);
        }
        self.store.clock(crr, key)
    }

    /// As `find_clock`, for a row that will be held: a record that waits to be written leaves the buffer, so
    /// that it can't be written behind the back of its holder. Says whether it did.
    pub fn take_clock(&self, crr: &Crr, key: &Key) -> Result<(Option<RowClock>, bool)> {
        let taken = self.transaction.borrow_mut().clocks.take(crr.id, key);
        match taken {
            Some(clock) => Ok((Some(clock), true)),
            None => Ok((self.find_clock(crr, key)?, false)),
        }
    }

    /// Writes the records if there are many. Only between rows: nobody may work on a copy of one meanwhile.
    pub fn relieve(&self) -> Result<()> {
        let is_full = self.transaction.borrow().clocks.len() >= RECORDS_MAX;
        if is_full { self.flush_clocks() } else { Ok(()) }
    }

    /// Rows beyond the greatest stored key are known to have no stored record. Finding that key pays from a
    /// few rows on.
    fn is_beyond_clocks(&self, crr: &Crr, key: &Key) -> Result<bool> {
        let mut transaction = self.transaction.borrow_mut();
        let is_beyond = |last: &Option<Key>| last.as_ref().is_none_or(|last| key > last);
        match transaction
            .last_clock_keys
            .entry(crr.id)
            .or_insert(Bound::Unknown(0))
        {
            Bound::Known(last) => return Ok(is_beyond(last)),
            Bound::Unknown(asked) if *asked < LOOKUPS_BEFORE_BOUND => {
                *asked += 1;
                return Ok(false);
            }
            Bound::Unknown(_) => {}
        }
        drop(transaction);
        let last = self.store.last_clock_key(crr)?;
        let answer = is_beyond(&last);
        self.transaction
            .borrow_mut()
            .last_clock_keys
            .insert(crr.id, Bound::Known(last));
        Ok(answer)
    }

    /// Takes over the record of a row, to be written with others.
    pub fn save_clock(&self, crr: &Rc<Crr>, key: &Key, mut clock: RowClock) -> Result<()> {
        if !clock.inherited.is_empty() {
            let columns = std::mem::take(&mut clock.inherited);
            let site = clock
                .sentinel
                .map_or(SiteOrdinal::LOCAL, |entry| entry.site);
            let at = self.reserve(columns.len() as u64)?;
            let cells = columns
                .into_iter()
                .map(|column| (column, ColumnVersion::INHERITED));
            clock.set_cells(at, site, cells);
        }
        clock.close();
        let mut transaction = self.transaction.borrow_mut();
        transaction.clocks.put(crr, key.clone(), clock);
        let is_full = transaction.clocks.len() >= RECORDS_MAX;
        drop(transaction);
        if is_full { self.flush_clocks() } else { Ok(()) }
    }

    /// Writes the records in the order of their keys, and their log entries in the order of the log.
    fn flush_clocks(&self) -> Result<()> {
        let drained = self.transaction.borrow_mut().clocks.drain();
        self.write_clocks(drained).inspect_err(|_| self.doom())
    }

    fn write_clocks(&self, drained: Vec<Drained>) -> Result<()> {
        let mut entries = Vec::new();
        let mut superseded = Vec::new();
        for (crr, clocks) in &drained {
            for (key, clock) in clocks {
                self.store.put_clock(crr, key, clock)?;
                entries.extend(
                    clock
                        .unlogged()
                        .map(|(entry, stride)| (entry, stride, crr.id, key)),
                );
                superseded.extend_from_slice(&clock.superseded);
            }
            if let Some((greatest, _)) = clocks.last() {
                self.note_greatest(crr, greatest);
            }
        }
        superseded.sort_unstable();
        self.store.remove(&superseded)?;
        entries.sort_unstable_by_key(|(entry, ..)| entry.at);
        let joins_packed = !self.merges_equal_values()?;
        let mut open: Option<Run> = None;
        for (entry, stride, table, key) in entries {
            let may_join = joins_packed || matches!(key, Key::Rowid(_));
            let mut extend = |run: &mut Run| run.extend(entry.site, table, entry.at, stride, key);
            if may_join && open.as_mut().is_some_and(&mut extend) {
                continue;
            }
            if let Some(full) = open.replace(Run::new(entry.site, table, entry.at, stride, key)) {
                self.store.append(&full)?;
            }
        }
        open.iter().try_for_each(|run| self.store.append(run))
    }

    fn note_greatest(&self, crr: &Crr, key: &Key) {
        let mut transaction = self.transaction.borrow_mut();
        if let Some(Bound::Known(last)) = transaction.last_clock_keys.get_mut(&crr.id)
            && last.as_ref().is_none_or(|last| key > last)
        {
            *last = Some(key.clone());
        }
    }

    /// Records the first insert of a row: one more key of the run in memory, if it goes on there.
    pub fn log_first_insert(
        &self,
        crr: &Crr,
        key: &Key,
        at: Position,
        site: SiteOrdinal,
    ) -> Result<()> {
        let stride = crr.insert_stride();
        let may_join = crr.is_rowid_keyed || !self.merges_equal_values()?;
        let mut transaction = self.transaction.borrow_mut();
        if may_join
            && let Some(run) = &mut transaction.run
            && run.extend(site, crr.id, at, stride, key)
        {
            return Ok(());
        }
        let next = Run::new(site, crr.id, at, stride, key);
        let full = transaction.run.replace(next);
        drop(transaction);
        match full {
            Some(run) => self.store.append(&run),
            None => Ok(()),
        }
    }

    /// The key of the held row, if it came as these bytes.
    pub fn held_key(&self, table: TableId, pk: &[u8]) -> Option<Key> {
        let transaction = self.transaction.borrow();
        let held = transaction.held.as_ref()?;
        (held.crr.id == table && held.pk == pk).then(|| held.key.clone())
    }

    /// The held row if it is this one; any other is written first.
    pub fn take_held(&self, crr: &Crr, key: &Key) -> Result<Option<HeldRow>> {
        let held = self.transaction.borrow_mut().held.take();
        match held {
            Some(held) if held.is_of(crr, key) => Ok(Some(held)),
            Some(other) => {
                self.write_held(other)?;
                self.relieve()?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Tells whether this is still the same transaction: an error may have ended it underneath.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    fn start_epoch(&self) {
        self.epoch.set(self.epoch.get() + 1);
    }

    /// Holds a row that was taken in `epoch` until another comes.
    pub fn hold(&self, held: HeldRow, epoch: u64) {
        if self.is_enlisted.get() && self.epoch() == epoch {
            self.transaction.borrow_mut().held = Some(held);
        }
    }

    /// Takes over the held row's clock. From here on a failure leaves a row without its clock.
    fn write_held(&self, held: HeldRow) -> Result<()> {
        if !held.is_dirty {
            return Ok(());
        }
        let (crr, key) = (Rc::clone(&held.crr), held.key.clone());
        let written = match held.pristine_arrival() {
            Some((at, site)) => self.log_first_insert(&crr, &key, at, site),
            None => self.save_clock(&crr, &key, held.clock),
        };
        written.inspect_err(|_| self.doom())
    }

    /// Writes the held row, so that records are complete. Outside a transaction there is nothing to write.
    pub fn flush_held(&self) -> Result<()> {
        let held = self.transaction.borrow_mut().held.take();
        match held {
            Some(held) => self.write_held(held),
            None => Ok(()),
        }
    }

    /// Writes everything, so that records and log are complete.
    pub fn flush(&self) -> Result<()> {
        self.flush_held()?;
        self.flush_clocks()?;
        let run = self.transaction.borrow_mut().run.take();
        match run {
            Some(run) => self.store.append(&run).inspect_err(|_| self.doom()),
            None => Ok(()),
        }
    }

    /// Whether records wait to be written.
    pub fn has_unwritten(&self) -> bool {
        let transaction = self.transaction.borrow();
        transaction.held.is_some() || transaction.clocks.len() > 0
    }

    /// As `flush`, where SQLite does not itself restore what `last_insert_rowid()` says.
    pub fn flush_keeping_rowid(&self) -> Result<()> {
        if !self.is_enlisted.get() {
            return Ok(());
        }
        self.store
            .connection
            .keeping_last_insert_rowid(|| self.flush())
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

    /// SQLite: the transaction starts to write.
    pub fn on_begin(&self) {
        self.start_epoch();
        self.is_enlisted.set(true);
        *self.transaction.borrow_mut() = Transaction::default();
    }

    /// SQLite: the transaction is about to be committed.
    pub fn on_sync(&self) -> Result<()> {
        if self.transaction.borrow().doomed_in.is_some() {
            return Err(Error::Doomed);
        }
        self.flush_keeping_rowid()
    }

    /// SQLite: the transaction is over.
    pub fn on_end(&self) {
        self.start_epoch();
        self.is_enlisted.set(false);
        *self.transaction.borrow_mut() = Transaction::default();
        let mut tables = self.tables.borrow_mut();
        tables.distrust();
        tables.release_foreign_statements();
    }

    /// SQLite: a savepoint is about to be set.
    pub fn on_savepoint(&self, index: i32) -> Result<()> {
        self.store
            .connection
            .keeping_last_insert_rowid(|| self.flush_held())?;
        let mut transaction = self.transaction.borrow_mut();
        let savepoint = Savepoint {
            index,
            run: transaction.run.clone(),
            rows_impacted: transaction.rows_impacted,
            notes: transaction.notes.count,
        };
        transaction.savepoints.push(savepoint);
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
        let mut guard = self.transaction.borrow_mut();
        let transaction = &mut *guard;
        let outside = transaction
            .savepoints
            .iter()
            .filter(|savepoint| savepoint.index < index)
            .count();
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
        transaction.rows_impacted = rows_impacted;
        transaction.held = None;
        transaction.sites.clear();
        transaction.merge_equal_values = None;
        transaction.last_clock_keys.clear();
        transaction.doomed_in = transaction.doomed_in.filter(|doomed| *doomed < index);
        drop(guard);
        self.tables.borrow_mut().distrust();
    }
}
