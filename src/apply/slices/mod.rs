//! Applying a changeset in slices, so that other writers are never kept out for long.
//!
//! A slice is a transaction of its own and holds whole transactions of the origin: nobody sees half of one.
//! ```text
//! read the whole changeset: any defect is found before anything is written
//! per chunk: decompress, find where its transactions begin            nothing is locked
//!   lock -- whole transactions, while the time lasts -- commit -- let others in -- lock --..
//! ```
//! A transaction of the origin that takes longer than the limit is a slice of its own. If that turns out in the middle of
//! a slice, the slice is rolled back and done again without it.

mod pace;

use super::changeset::{
    apply_preceding, apply_superseded, fires_others, merge_part, superseded, triggers_off,
};
use super::parked;
use super::whole::{Batch, Merging};
use crate::crdt::change::DbVersion;
use crate::crdt::changeset::{ChunkReader, ChunkStart, Defect, Header, Part, Reader};
use crate::error::{Error, Result};
use crate::sqlite::triggers::TriggersOff;
use crate::state::State;
use crate::store::own_transaction::OwnTransaction;
use pace::{Pace, Release, weight};
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
    let left_after = scan(bytes).map_err(Error::changeset)?;
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
            released: None,
            too_long: None,
            has_begun: false,
            won: 0,
            reached: None,
        };
        let outcome = match slices.header.part {
            Part::Whole => slices.merge_all(reader, &left_after),
            part => slices.merge_part(part, bytes),
        };
        // What is not committed is rolled back before the error is told.
        slices.open = None;
        outcome.map_err(|error| slices.explain(error))?;
        Ok(slices.won)
    })
}

/// Reads the whole changeset, so that a defect is found before anything is written. Tells of each chunk how much of its
/// last transaction is in the chunks after it, by weight.
fn scan(bytes: &[u8]) -> std::result::Result<Vec<u64>, Defect> {
    let mut reader = Reader::open(bytes)?;
    let (mut chunks, mut buffer, mut highest) = (Vec::new(), Vec::new(), None);
    while let Some(mut chunk) = reader.next_chunk(&mut buffer)? {
        // What belongs to the last transaction of the chunk before, and whether that is all.
        let (mut head, mut is_all) = (0, true);
        while let Some(row) = chunk.next_row()? {
            if Some(row.version) > highest {
                (highest, is_all) = (Some(row.version), false);
            }
            if is_all {
                head += weight(&row);
            }
        }
        chunks.push((head, is_all));
    }
    let mut left = vec![0; chunks.len()];
    let mut after = 0;
    for (place, (head, is_all)) in left.iter_mut().zip(chunks).rev() {
        *place = after;
        after = head + if is_all { after } else { 0 };
    }
    Ok(left)
}

/// The rows of a transaction of the origin that are in one chunk.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    rows: u64,
    weight: u64,
}

/// Which rows of a chunk belong to each transaction of the origin. A row with a lower version than one before it
/// belongs to that one's.
fn transactions(
    mut chunk: ChunkReader<'_>,
    highest: &mut Option<DbVersion>,
) -> std::result::Result<Vec<Size>, Defect> {
    let mut sizes = vec![Size::default()];
    while let Some(row) = chunk.next_row()? {
        if Some(row.version) > *highest {
            *highest = Some(row.version);
            if sizes.last().is_some_and(|size| size.rows > 0) {
                sizes.push(Size::default());
            }
        }
        if let Some(size) = sizes.last_mut() {
            size.rows += 1;
            size.weight += weight(&row);
        }
    }
    Ok(sizes)
}

/// Where a transaction of the origin begins, or goes on in another chunk.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: ChunkStart,
    /// The number of the chunk
    chunk: usize,
    /// The highest version before the chunk
    highest: Option<DbVersion>,
    /// The number of the transaction among those of the chunk
    index: usize,
}

impl Place {
    fn number(&self) -> (usize, usize) {
        (self.chunk, self.index)
    }
}

/// What comes after a chunk.
enum Next {
    /// The next one
    Chunk,
    /// What was rolled back, once more
    Again,
}

/// A slice that is open. Dropped, it is rolled back: the fields go in this order.
struct Slice<'s> {
    merging: Merging<'s>,
    transaction: OwnTransaction<'s>,
    since: Instant,
    /// Where its first transaction of the origin begins
    from: Place,
    /// Where its latest one does, which may not be merged whole
    latest: Place,
    /// When that began, and what was merged before
    latest_since: (Instant, u64),
    /// What is merged
    weight: u64,
    /// The last transaction of the origin in it
    version: Option<DbVersion>,
    /// Whether there is something in it
    has_work: bool,
}

/// A transaction that has the lock.
struct Locked<'s> {
    transaction: OwnTransaction<'s>,
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
    /// When the lock was held before
    released: Option<Release>,
    /// The latest transaction of the origin that was too long for the slice that it was in
    too_long: Option<(usize, usize)>,
    /// Whether something is committed
    has_begun: bool,
    won: i64,
    /// The last transaction of the origin that is committed
    reached: Option<DbVersion>,
}

impl<'s> Slices<'s> {
    fn merge_all<B: AsRef<[u8]>>(
        &mut self,
        mut reader: Reader<B>,
        left_after: &[u64],
    ) -> Result<()> {
        let mut buffer = Vec::new();
        let mut place = Place {
            start: reader.next_start(),
            chunk: 0,
            highest: None,
            index: 0,
        };
        while let Some(chunk) = reader.next_chunk(&mut buffer).map_err(Error::changeset)? {
            match self.merge_chunk(chunk, &mut place, left_after)? {
                Next::Chunk => place.start = reader.next_start(),
                Next::Again => reader.go_back(place.start),
            }
        }
        if place.chunk == 0 {
            // It has no rows.
            self.open = Some(self.begin(place)?);
        }
        self.end()?;
        for version in superseded(self.state, &self.header)? {
            let locked = self.lock()?;
            let won = apply_superseded(self.state, &self.header.site, version)?;
            self.commit(locked.transaction, locked.since)?;
            self.won += locked.won + won;
        }
        Ok(())
    }

    /// Merges a chunk from a place on, and moves that to what comes next.
    fn merge_chunk(
        &mut self,
        mut chunk: ChunkReader<'_>,
        place: &mut Place,
        left_after: &[u64],
    ) -> Result<Next> {
        let mut highest = place.highest;
        let sizes = transactions(chunk.clone(), &mut highest).map_err(Error::changeset)?;
        let left = |chunk: usize| left_after.get(chunk).copied().unwrap_or_default();
        let is_continued = left(place.chunk) > 0;
        for size in sizes.iter().take(place.index) {
            for _ in 0..size.rows {
                chunk.next_row().map_err(Error::changeset)?;
            }
        }
        for (index, size) in sizes.iter().enumerate().skip(place.index) {
            place.index = index;
            let after = match index + 1 == sizes.len() {
                true => left(place.chunk),
                false => 0,
            };
            if index > 0 || place.chunk == 0 || left(place.chunk - 1) == 0 {
                self.start_transaction(*place, size.weight + after)?;
            }
            if let Some(again) = self.merge_rows(&mut chunk, index == 0, *size, after)? {
                *place = again;
                return Ok(Next::Again);
            }
        }
        *place = Place {
            chunk: place.chunk + 1,
            highest,
            index: 0,
            ..*place
        };
        if !is_continued && self.is_open_for(self.limit / LATE) {
            // The next chunk is decompressed while nothing is locked.
            self.end()?;
        }
        Ok(Next::Chunk)
    }

    /// A transaction of the origin begins, which weighs so much: in the open slice, if it can take that in.
    fn start_transaction(&mut self, place: Place, next: u64) -> Result<()> {
        let fits = |slice: &Slice<'_>| {
            let fits = self.pace.fits(slice.since.elapsed(), slice.weight, next);
            !slice.has_work || (fits && self.too_long != Some(place.number()))
        };
        if self.open.as_ref().is_some_and(|slice| !fits(slice)) {
            self.end()?;
        }
        let mut slice = match self.open.take() {
            Some(open) => open,
            None => self.begin(place)?,
        };
        slice.latest = place;
        slice.latest_since = (Instant::now(), slice.weight);
        self.open = Some(slice);
        Ok(())
    }

    /// Merges the next rows of a chunk, all of one transaction, of which so much comes in later chunks. If that takes too long, all of the slice is undone, and
    /// where it began is told.
    fn merge_rows(
        &mut self,
        chunk: &mut ChunkReader<'_>,
        is_first: bool,
        size: Size,
        after: u64,
    ) -> Result<Option<Place>> {
        let Some(slice) = &mut self.open else {
            return Err(Error::Internal("rows outside of a slice".to_owned()));
        };
        if is_first {
            slice.merging.start_chunk();
        }
        // What is done again is not given up again, so that it comes to an end.
        let may_give_up = slice.latest.number() > slice.from.number()
            && self
                .too_long
                .is_none_or(|place| place <= slice.from.number());
        let whole = slice.weight + size.weight + after;
        let mut batch = Batch::short();
        for _ in 0..size.rows {
            let Some(row) = chunk.next_row().map_err(Error::changeset)? else {
                break;
            };
            slice.version = slice.version.max(Some(row.version));
            slice.weight += weight(&row);
            slice.merging.merge_in(&mut batch, &row)?;
            if may_give_up {
                let (now, (since, before)) = (Instant::now(), slice.latest_since);
                let spent = (now.duration_since(since), slice.weight - before);
                let left = whole - slice.weight;
                if self
                    .pace
                    .is_too_late(now.duration_since(slice.since), spent, left)
                {
                    return Ok(self.give_up());
                }
            }
        }
        slice.merging.flush(&mut batch)?;
        slice.has_work = true;
        Ok(None)
    }

    /// Rolls the open slice back; gives the place where it began.
    fn give_up(&mut self) -> Option<Place> {
        let slice = self.open.take()?;
        let (since, from) = (slice.since, slice.from);
        self.too_long = Some(slice.latest.number());
        drop(slice);
        self.note_release(since, Instant::now());
        Some(from)
    }

    /// Keeps a part of a large transaction, and merges all of them in one go when it is the last that was missing.
    fn merge_part(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        let locked = self.lock()?;
        let won = merge_part(self.state, &self.header, part, bytes)?;
        self.commit(locked.transaction, locked.since)?;
        self.won += locked.won + won;
        Ok(())
    }

    /// Takes the lock, and does what any merge begins with.
    fn lock(&mut self) -> Result<Locked<'s>> {
        if let Some(released) = self.released {
            std::thread::sleep(released.pause_left());
        }
        let state = self.state;
        let transaction = OwnTransaction::begin(&state.store)?;
        state.enlist()?;
        let since = Instant::now();
        if self.off.is_some() && fires_others(state, &self.header)? {
            // The schema has just changed.
            state.store.while_expiring(|| {
                self.off = None;
                Ok(())
            })?;
        }
        if state.is_parked_due()? {
            parked::replay(state)?;
        }
        let won = match self.has_begun {
            false => apply_preceding(state, &self.header)?,
            true => 0,
        };
        Ok(Locked {
            transaction,
            since,
            won,
        })
    }

    fn begin(&mut self, from: Place) -> Result<Slice<'s>> {
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
            from,
            latest: from,
            latest_since: (since, 0),
            weight: 0,
            version: None,
            has_work: since.elapsed() > self.limit / LONG_START,
        })
    }

    /// Whether a slice has been open for so long.
    fn is_open_for(&self, time: Duration) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|slice| slice.since.elapsed() > time)
    }

    /// Commits the open slice.
    fn end(&mut self) -> Result<()> {
        let Some(slice) = self.open.take() else {
            return Ok(());
        };
        let won = slice.merging.finish();
        let merged = slice.since.elapsed();
        let released = self.released.map(|release| release.at);
        let outcome = self.commit(slice.transaction, slice.since);
        // An interrupt may be told of when all is done.
        if let Some(release) = self.released.filter(|release| Some(release.at) != released) {
            self.pace
                .note(slice.weight, merged, release.held.saturating_sub(merged));
            self.won += won;
            self.reached = self.reached.max(slice.version);
        }
        outcome
    }

    /// Commits a transaction, and notes when it let go of the lock.
    fn commit(&mut self, transaction: OwnTransaction<'_>, since: Instant) -> Result<()> {
        let before = self.state.committed_at();
        let outcome = transaction.commit();
        let committed = self.state.committed_at();
        if let Some(at) = committed.filter(|_| committed != before) {
            self.note_release(since, at);
            self.has_begun = true;
        }
        outcome
    }

    fn note_release(&mut self, since: Instant, at: Instant) {
        let held = at.saturating_duration_since(since);
        self.released = Some(Release { held, at });
    }

    /// Says how far it got.
    fn explain(&self, error: Error) -> Error {
        let error = error.of_call("crsql_apply");
        match self.reached {
            Some(version) => error.after(format_args!(
                "the transactions of the changeset up to db_version {} are applied and stay, those after it are not; apply it \
                 again to go on with them",
                version.0
            )),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scan;
    use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
    use crate::crdt::changeset::{CellWrite, Origin, Part, RowHead, Writer};
    use crate::crdt::value::ValueRef;

    /// A changeset of rows of these versions, each with a text of so many bytes.
    fn changeset(rows: &[(u64, usize)]) -> Vec<u8> {
        let mut writer = Writer::new(Origin {
            site: vec![7; 16],
            after: (DbVersion(0), None),
            level: 3,
        });
        let table = writer.add_table("t", 1);
        let columns = [writer.add_column(table, "a")];
        for (key, (version, bytes)) in rows.iter().enumerate() {
            let head = RowHead {
                site: writer.site(&[7; 16]),
                version: DbVersion(*version),
                seq: Seq(0),
                cl: CausalLength(1),
            };
            let text = "x".repeat(*bytes);
            let cell = CellWrite {
                version: ColumnVersion(1),
                offset: 0,
                value: ValueRef::Text(text.as_bytes()),
            };
            let key = [ValueRef::Integer(key as i64)];
            writer.push((table, &columns), head, key.into_iter(), [cell].into_iter());
        }
        writer.finish(Position::default(), Part::Whole)
    }

    #[test]
    fn a_transaction_is_measured_through_all_its_chunks() {
        // Each long row fills a chunk.
        const LONG: usize = 1_200_000;
        let long = 64 + LONG as u64;
        let left = |rows: &[(u64, usize)]| scan(&changeset(rows)).expect("a changeset");
        assert_eq!(left(&[]), [0; 0]);
        assert_eq!(left(&[(1, 10), (2, 10)]), [0]);
        assert_eq!(left(&[(1, LONG), (2, LONG)]), [0, 0]);
        assert_eq!(
            left(&[(1, 10), (2, LONG), (2, LONG), (2, 10), (3, LONG), (3, 10)]),
            [long + 74, 74, 74, 0]
        );
        // A row with a lower version belongs to the transaction before it.
        assert_eq!(left(&[(5, LONG), (4, LONG), (6, 10)]), [long, 0, 0]);
    }
}
