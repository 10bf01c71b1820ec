//! When a slice ends, and how long the next one waits: by what the slices before it took. Pure.

use std::time::Duration;

/// A slice is planned to take this share of the limit: the rest is for what was not foreseen.
const SHARE: f64 = 0.8;

/// Before the first commit was measured, it is taken to need this share of the limit.
const COMMIT_SHARE_FIRST: f64 = 0.5;

/// The longest commit counts on, but less and less.
const COMMIT_DECAY: f64 = 0.9;

/// How long a connection with a busy timeout waits between its tries for a lock, in ms, and then always the last
/// (`sqliteDefaultBusyCallback`).
const TRIES_MS: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

/// What slices take.
#[derive(Debug)]
pub(super) struct Pace {
    /// In seconds, as all below
    limit: f64,
    row: f64,
    /// None before the first one
    commit: Option<f64>,
}

impl Pace {
    /// For slices that hold the lock no longer than this.
    pub(super) fn new(limit: Duration) -> Pace {
        let limit = limit.as_secs_f64();
        Pace {
            limit,
            row: 0.0,
            commit: None,
        }
    }

    /// Whether a slice that has merged `rows` since `held` can take in `next` more and commit in time.
    pub(super) fn fits(&self, held: Duration, rows: u64, next: u64) -> bool {
        let held = held.as_secs_f64();
        let row = self.row.max(held / rows.max(1) as f64);
        let commit = self.commit.unwrap_or(self.limit * COMMIT_SHARE_FIRST);
        held + row * next as f64 + commit <= self.limit * SHARE
    }

    /// A slice is committed.
    pub(super) fn note(&mut self, rows: u64, merging: Duration, commit: Duration) {
        if rows > 0 {
            self.row = merging.as_secs_f64() / rows as f64;
        }
        let before = self.commit.unwrap_or_default() * COMMIT_DECAY;
        self.commit = Some(commit.as_secs_f64().max(before));
    }
}

/// How long to leave the lock alone after it was held: so long that whoever has begun to wait for it meanwhile tries
/// again within.
pub(super) fn pause(held: Duration) -> Duration {
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
        let mut pace = Pace::new(50 * MS);
        assert!(pace.fits(10 * MS, 100, 10), "10 ms, 1 more, 25 to commit");
        assert!(!pace.fits(10 * MS, 100, 60), "6 more");
        pace.note(100, 10 * MS, 5 * MS);
        assert!(pace.fits(10 * MS, 100, 240), "10 + 24 + 5 of 40 ms");
        assert!(!pace.fits(10 * MS, 100, 260));
        pace.note(100, 10 * MS, 30 * MS);
        assert!(!pace.fits(10 * MS, 100, 10));
    }

    #[test]
    fn one_slow_commit_is_not_feared_for_ever() {
        let mut pace = Pace::new(50 * MS);
        pace.note(100, 10 * MS, 40 * MS);
        // 40 * 0.9^28 is still above the 2 ms that 10 + 28 leave of 40.
        for _ in 0..=28 {
            assert!(!pace.fits(10 * MS, 100, 280));
            pace.note(100, 10 * MS, MS);
        }
        assert!(pace.fits(10 * MS, 100, 240));
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
