//! Applying a changeset in slices, so that other writers are never kept out for long.
//!
//! A slice is a transaction of its own and holds whole transactions of the origin: nobody sees half of one.
//! ```text
//! read the whole changeset: any defect is found before anything is written
//! per chunk: decompress, find where its transactions begin            nothing is locked
//!   lock -- whole transactions, while the time lasts -- commit -- let others in -- lock --..
//! ```
//! A transaction of the origin that takes longer than the limit is a slice of its own.

mod pace;

use super::changeset::{
    apply_preceding, apply_superseded, fires_others, merge_part, superseded, triggers_off,
};
use super::parked;
use super::whole::{Batch, Merging};
use crate::crdt::change::DbVersion;
use crate::crdt::changeset::{ChunkReader, Defect, Header, Part, Reader};
use crate::error::{Error, Result};
use crate::sqlite::triggers::TriggersOff;
use crate::state::State;
use crate::store::own_transaction::OwnTransaction;
use pace::{Pace, pause};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What comes before the rows of a slice took long if it took this share of the limit, so that rows may wait.
const LONG_START: u32 = 4;

/// At the end of a chunk, a slice ends that has been open for this share of the limit.
const LATE: u32 = 2;

/// Applies a changeset in slices, none of which holds the lock for longer than `limit` if it can be helped; gives
/// the number of changes that won.
pub fn apply(state: &State, bytes: &[u8], limit: Duration) -> Result<i64> {
    let connection = state.store.connection;
    if !connection.is_idle() {
        return Err(Error::Usage(
            "with a time limit crsql_apply commits again and again, so it must run outside of a transaction, alone, \
             and in a statement that reads no table: read the changeset first and call \
             SELECT crsql_apply(?, max_ms) with it as a parameter"
                .to_owned(),
        ));
    }
    let goes_on = scan(bytes).map_err(Error::changeset)?;
    state.ensure_bootstrapped()?;
    let reader = Reader::open(bytes).map_err(Error::changeset)?;
    let header = Rc::clone(reader.header());
    connection.keeping_last_insert_rowid(|| {
        let mut slices = Slices {
            state,
            off: triggers_off(state, &header)?,
            header,
            limit,
            pace: Pace::new(limit),
            open: None,
            held: None,
            won: 0,
            reached: None,
        };
        let outcome = match slices.header.part {
            Part::Whole => slices.merge_all(reader, &goes_on),
            part => slices.merge_part(part, bytes),
        };
        // What is not committed is rolled back before the error is told.
        slices.open = None;
        outcome.map_err(|error| slices.explain(error))?;
        Ok(slices.won)
    })
}

/// Reads the whole changeset, so that a defect is found before anything is written. Tells of each chunk whether the
/// next one goes on with its last transaction.
fn scan(bytes: &[u8]) -> std::result::Result<Vec<bool>, Defect> {
    let mut reader = Reader::open(bytes)?;
    let (mut goes_on, mut buffer, mut highest) = (Vec::new(), Vec::new(), None);
    while let Some(mut chunk) = reader.next_chunk(&mut buffer)? {
        let mut is_first = true;
        while let Some(row) = chunk.next_row()? {
            let is_new = Some(row.version) > highest;
            if std::mem::take(&mut is_first) {
                goes_on.push(!is_new);
            }
            if is_new {
                highest = Some(row.version);
            }
        }
        if is_first {
            goes_on.push(false);
        }
    }
    // Each entry tells of the chunk before it.
    goes_on.drain(..goes_on.len().min(1));
    Ok(goes_on)
}

/// How many rows of a chunk belong to each transaction of the origin. A row with a lower version than one before it
/// belongs to that one's.
fn transactions(
    mut chunk: ChunkReader<'_>,
    highest: &mut Option<DbVersion>,
) -> std::result::Result<Vec<u64>, Defect> {
    let mut counts = vec![0];
    while let Some(row) = chunk.next_row()? {
        if Some(row.version) > *highest {
            *highest = Some(row.version);
            if counts.last().is_some_and(|count| *count > 0) {
                counts.push(0);
            }
        }
        if let Some(count) = counts.last_mut() {
            *count += 1;
        }
    }
    Ok(counts)
}

/// A slice that is open. Dropped, it is rolled back: the fields go in this order.
struct Slice<'s> {
    merging: Merging<'s>,
    transaction: OwnTransaction,
    since: Instant,
    rows: u64,
    /// The last transaction of the origin in it
    version: Option<DbVersion>,
    /// Whether there is something in it
    has_work: bool,
}

/// A transaction that has the lock.
struct Locked {
    transaction: OwnTransaction,
    since: Instant,
    /// Changes that won of what is merged before the rows
    won: i64,
}

struct Slices<'s> {
    state: &'s State,
    header: Rc<Header>,
    off: Option<TriggersOff>,
    limit: Duration,
    pace: Pace,
    open: Option<Slice<'s>>,
    /// How long the slice before this one held the lock
    held: Option<Duration>,
    won: i64,
    /// The last transaction of the origin that is committed
    reached: Option<DbVersion>,
}

impl<'s> Slices<'s> {
    fn merge_all<B: AsRef<[u8]>>(&mut self, mut reader: Reader<B>, goes_on: &[bool]) -> Result<()> {
        let (mut buffer, mut highest, mut place) = (Vec::new(), None, 0);
        let mut continues = false;
        while let Some(mut chunk) = reader.next_chunk(&mut buffer).map_err(Error::changeset)? {
            let counts = transactions(chunk.clone(), &mut highest).map_err(Error::changeset)?;
            let next_continues = goes_on.get(place).copied().unwrap_or_default();
            let last = counts.len() - 1;
            for (index, count) in counts.into_iter().enumerate() {
                if index > 0 || !continues {
                    // How long one takes that goes on in the next chunk is not known.
                    let next = match index == last && next_continues {
                        true => u64::MAX,
                        false => count,
                    };
                    self.end_before(next)?;
                }
                self.merge_rows(&mut chunk, index == 0, count)?;
            }
            (continues, place) = (next_continues, place + 1);
            if !continues && self.is_open_for(self.limit / LATE) {
                // The next chunk is decompressed while nothing is locked.
                self.end()?;
            }
        }
        if place == 0 {
            self.open = Some(self.begin()?);
        }
        self.end()?;
        for version in superseded(self.state, &self.header)? {
            let locked = self.lock()?;
            let won = apply_superseded(self.state, &self.header.site, version)?;
            self.held = Some(locked.since.elapsed());
            locked.transaction.commit()?;
            self.won += won;
        }
        Ok(())
    }

    /// Merges the next rows of a chunk, all of one transaction.
    fn merge_rows(
        &mut self,
        chunk: &mut ChunkReader<'_>,
        is_first: bool,
        count: u64,
    ) -> Result<()> {
        let mut slice = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if is_first {
            slice.merging.start_chunk();
        }
        let mut batch = Batch::default();
        for _ in 0..count {
            let Some(row) = chunk.next_row().map_err(Error::changeset)? else {
                break;
            };
            slice.version = slice.version.max(Some(row.version));
            slice.merging.merge_in(&mut batch, &row)?;
        }
        slice.merging.flush(&mut batch)?;
        slice.rows += count;
        slice.has_work = true;
        self.open = Some(slice);
        Ok(())
    }

    /// Keeps a part of a large transaction, and merges all of them in one go when it is the last that was missing.
    fn merge_part(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        let locked = self.lock()?;
        let won = merge_part(self.state, &self.header, part, bytes)?;
        locked.transaction.commit()?;
        self.won += locked.won + won;
        Ok(())
    }

    /// Takes the lock, and does what any merge begins with.
    fn lock(&mut self) -> Result<Locked> {
        if let Some(held) = self.held {
            std::thread::sleep(pause(held));
        }
        let state = self.state;
        let transaction = OwnTransaction::begin(state.store.connection)?;
        state.enlist()?;
        let since = Instant::now();
        if self.off.is_some() && fires_others(state, &self.header)? {
            // The schema has just changed.
            self.off = None;
        }
        if state.is_parked_due()? {
            parked::replay(state)?;
        }
        let won = match self.held {
            None => apply_preceding(state, &self.header)?,
            Some(_) => 0,
        };
        Ok(Locked {
            transaction,
            since,
            won,
        })
    }

    fn begin(&mut self) -> Result<Slice<'s>> {
        let Locked {
            transaction,
            since,
            won,
        } = self.lock()?;
        let mut merging = Merging::new(self.state, Rc::clone(&self.header))?;
        merging.won = won;
        Ok(Slice {
            merging,
            transaction,
            since,
            rows: 0,
            version: None,
            has_work: since.elapsed() > self.limit / LONG_START,
        })
    }

    /// Whether a slice has been open for so long.
    fn is_open_for(&self, time: Duration) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|slice| slice.since.elapsed() > time)
    }

    /// Ends the open slice if it can't take in so many rows more.
    fn end_before(&mut self, next: u64) -> Result<()> {
        match &self.open {
            Some(slice)
                if slice.has_work && !self.pace.fits(slice.since.elapsed(), slice.rows, next) =>
            {
                self.end()
            }
            _ => Ok(()),
        }
    }

    /// Commits the open slice.
    fn end(&mut self) -> Result<()> {
        let Some(slice) = self.open.take() else {
            return Ok(());
        };
        let won = slice.merging.finish();
        let merged = slice.since.elapsed();
        let before = self.state.commits();
        let outcome = slice.transaction.commit();
        let held = slice.since.elapsed();
        // An interrupt may be told of when all is done.
        if self.state.commits() > before {
            self.pace
                .note(slice.rows, merged, held.saturating_sub(merged));
            self.held = Some(held);
            self.won += won;
            self.reached = self.reached.max(slice.version);
        }
        outcome
    }

    /// Says how far it got.
    fn explain(&self, error: Error) -> Error {
        match self.reached {
            Some(version) => error.after(format_args!(
                "the transactions of the changeset up to db_version {} are applied and stay, those after it are not",
                version.0
            )),
            None => error,
        }
    }
}
