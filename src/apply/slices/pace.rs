//! When a slice ends, and how long the next one waits: by what the slices before it took. Pure.
//!
//! ```text
//! 0 -- merging -------------- planned to end here --------- at the latest here ---- limit
//!      while the next transaction is likely to fit          given up, unless it      is past
//!                                                           is all but through
//! ```
//! Both counted with the commit that follows.

use crate::crdt::changeset::RowView;
use crate::crdt::value::ValueRef;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A slice is planned to take this share of the limit: the rest is for what was not foreseen.
const SHARE: f64 = 0.75;

/// A transaction whose rows take longer than foreseen is given up here, to be a slice of its own.
const SHARE_LAST: f64 = 0.9;

/// What is left of a transaction that is not given up any more: this share of the limit.
const SHARE_OF_REST: f64 = 0.05;

/// Before the first commit was measured, it is taken to need this share of the limit.
const COMMIT_SHARE_FIRST: f64 = 0.5;

/// So many commits are remembered: a slow one is feared for no longer.
const COMMITS: usize = 8;

/// Of fewer commits it is not told apart what each takes in any case, and what grows with the slice.
const COMMITS_TOLD_APART: usize = 3;

/// A row costs as much as so many bytes, beside its own.
const ROW_BYTES: u64 = 64;

/// How long a connection with a busy timeout waits between its tries for a lock, in ms, and then always the last
/// (`sqliteDefaultBusyCallback`).
const TRIES_MS: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

/// What a row weighs.
pub(super) fn weight(row: &RowView<'_, '_>) -> u64 {
    let values = row.cells.iter().map(|cell| cell.value);
    let bytes = |value: ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
        _ => 0,
    };
    ROW_BYTES
        + values
            .chain(row.key.iter().copied())
            .map(bytes)
            .sum::<u64>()
}

/// What slices take.
#[derive(Debug)]
pub(super) struct Pace {
    /// In seconds, as all below
    limit: f64,
    /// Of the slice before, for each unit of weight
    rate: f64,
    /// The latest slices: what merging took, and the commit
    slices: VecDeque<(f64, f64)>,
}

impl Pace {
    /// For slices that hold the lock no longer than this.
    pub(super) fn new(limit: Duration) -> Pace {
        Pace {
            limit: limit.as_secs_f64(),
            rate: 0.0,
            slices: VecDeque::new(),
        }
    }

    /// Whether a slice that has merged so much since `held` can take in `next` more and commit in time.
    pub(super) fn fits(&self, held: Duration, weight: u64, next: u64) -> bool {
        let held = held.as_secs_f64();
        let merged = held + self.rate(held, weight) * next as f64;
        merged + self.commit(merged) <= self.limit * SHARE
    }

    /// Whether a slice that was open for so long should not go on to the end of its latest transaction, which has
    /// merged so much in its own time, and of which so much is left.
    pub(super) fn is_too_late(
        &self,
        held: Duration,
        (spent, weight): (Duration, u64),
        left: u64,
    ) -> bool {
        let held = held.as_secs_f64();
        let rate = spent.as_secs_f64() / weight.max(1) as f64;
        held + self.commit(held) > self.limit * SHARE_LAST
            && rate * left as f64 > self.limit * SHARE_OF_REST
    }

    /// A slice is committed.
    pub(super) fn note(&mut self, weight: u64, merging: Duration, commit: Duration) {
        let merging = merging.as_secs_f64();
        self.rate = merging / weight.max(1) as f64;
        if self.slices.len() == COMMITS {
            self.slices.pop_front();
        }
        self.slices.push_back((merging, commit.as_secs_f64()));
    }

    fn rate(&self, held: f64, weight: u64) -> f64 {
        self.rate.max(held / weight.max(1) as f64)
    }

    /// How long a commit takes after so much merging, at worst: as long as one of the latest did, and longer if
    /// there is more to commit than there was then.
    fn commit(&self, merging: f64) -> f64 {
        let commits = self.slices.iter().map(|(_, commit)| *commit);
        let least = match self.slices.len() {
            0 => return self.limit * COMMIT_SHARE_FIRST,
            count if count < COMMITS_TOLD_APART => 0.0,
            _ => commits.fold(f64::INFINITY, f64::min),
        };
        let worst = self.slices.iter().map(|(then, commit)| {
            let growth = (merging / then.max(f64::MIN_POSITIVE)).max(1.0);
            least + (commit - least) * growth
        });
        worst.fold(0.0, f64::max)
    }
}

/// A lock that was let go of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    pub held: Duration,
    pub at: Instant,
}

impl Release {
    /// How much longer to leave the lock alone.
    pub(super) fn pause_left(self) -> Duration {
        pause(self.held).saturating_sub(self.at.elapsed())
    }
}

/// How long to leave the lock alone after it was held: so long that whoever has begun to wait for it meanwhile tries
/// again within.
fn pause(held: Duration) -> Duration {
    let (mut waited, mut longest) = (0, 0);
    for wait in TRIES_MS {
        if Duration::from_millis(waited) > held {
            break;
        }
        longest = longest.max(wait);
        waited += wait;
    }
    // Sleepers wake up late.
    Duration::from_millis(longest) * 5 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slice_leaves_room_for_its_commit() {
        let mut pace = Pace::new(40 * MS);
        assert!(
            pace.fits(5 * MS, 100, 80),
            "5 ms, 4 more, 20 to commit, of 30"
        );
        assert!(!pace.fits(5 * MS, 100, 120), "6 more");
        // The commit took as long as the merging, and so it will.
        pace.note(100, 10 * MS, 10 * MS);
        assert!(pace.fits(10 * MS, 100, 40), "14 and 14 of 30 ms");
        assert!(!pace.fits(10 * MS, 100, 60), "16 and 16");
    }

    #[test]
    fn what_a_commit_takes_in_any_case_does_not_grow() {
        let mut pace = Pace::new(40 * MS);
        for merging in [4, 5, 6] {
            assert!(!pace.fits(15 * MS, 150, 10), "at {merging}");
            pace.note(10 * u64::from(merging), merging * MS, 10 * MS);
        }
        assert!(pace.fits(15 * MS, 150, 45), "19.5 and 10 of 30 ms");
        assert!(!pace.fits(15 * MS, 150, 55));
    }

    #[test]
    fn a_slow_commit_is_feared_for_some_slices_only() {
        let mut pace = Pace::new(40 * MS);
        pace.note(100, 10 * MS, 30 * MS);
        for _ in 0..COMMITS {
            assert!(!pace.fits(10 * MS, 100, 10));
            pace.note(100, 10 * MS, MS);
        }
        assert!(pace.fits(10 * MS, 100, 150));
    }

    #[test]
    fn rows_that_cost_more_than_foreseen_are_given_up_in_time() {
        let mut pace = Pace::new(40 * MS);
        pace.note(1000, 20 * MS, 2 * MS);
        let spent = (10 * MS, 100);
        assert!(!pace.is_too_late(30 * MS, spent, 1000), "30 and 3 of 36 ms");
        assert!(pace.is_too_late(33 * MS, spent, 1000), "33 and 3.3");
        assert!(pace.is_too_late(33 * MS, spent, 25), "2.5 ms are left");
        assert!(!pace.is_too_late(33 * MS, spent, 15), "1.5 ms are left");
    }

    #[test]
    fn a_row_weighs_what_its_values_do() {
        use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Seq};
        use crate::crdt::changeset::CellRead;
        let cell = |value| CellRead {
            version: ColumnVersion(1),
            seq: Seq(0),
            value,
        };
        let row = RowView {
            group: 0,
            table: 0,
            columns: &[0, 1, 2],
            site: 0,
            version: DbVersion(1),
            seq: Seq(0),
            cl: CausalLength(1),
            key: &[ValueRef::Text(b"key")],
            cells: &[
                cell(ValueRef::Blob(&[0; 1000])),
                cell(ValueRef::Integer(7)),
                cell(ValueRef::Text(b"text")),
            ],
        };
        assert_eq!(weight(&row), 64 + 3 + 1000 + 4);
    }

    /// Of whoever starts to wait at any moment of the slice, the next try falls into the pause.
    #[test]
    fn whoever_waits_gets_a_try_in_the_pause() {
        for held_ms in [1, 2, 5, 10, 30, 50, 70, 100, 200, 400, 1000] {
            let held = held_ms * MS;
            for arrived_us in 0..held_ms * 1000 {
                let arrived = Duration::from_micros(u64::from(arrived_us));
                let mut tries = arrived;
                let mut waits = TRIES_MS.iter().copied().chain(std::iter::repeat(100));
                while tries < held {
                    tries += Duration::from_millis(waits.next().unwrap());
                }
                assert!(tries < held + pause(held), "{held:?} {arrived:?}");
            }
        }
    }
}
