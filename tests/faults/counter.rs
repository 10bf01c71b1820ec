//! Counts occasions, and says which of them go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts for a callback of SQLite, which keeps a part of it.
pub struct Counter {
    is_lasting: bool,
    seen: Arc<AtomicU64>,
    fired: Arc<AtomicU64>,
}

impl Counter {
    /// One occasion goes wrong, or all from it on.
    pub fn new(is_lasting: bool) -> Counter {
        Counter {
            is_lasting,
            seen: Arc::default(),
            fired: Arc::default(),
        }
    }

    /// For the name of the fault.
    pub fn suffix(&self) -> &'static str {
        if self.is_lasting { ", lasting" } else { "" }
    }

    /// Counts from 0. Gives what to ask at each occasion: whether it goes wrong, as the n-th does.
    pub fn start(&self, n: u64) -> impl FnMut() -> bool + use<> {
        self.seen.store(0, Ordering::Relaxed);
        self.fired.store(0, Ordering::Relaxed);
        let (seen, fired) = (Arc::clone(&self.seen), Arc::clone(&self.fired));
        let is_lasting = self.is_lasting;
        move || {
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            let is_due = count == n || is_lasting && count > n;
            fired.fetch_add(u64::from(is_due), Ordering::Relaxed);
            is_due
        }
    }

    /// How many occasions there were, and how many went wrong.
    pub fn figures(&self) -> (u64, u64) {
        (
            self.seen.load(Ordering::Relaxed),
            self.fired.load(Ordering::Relaxed),
        )
    }
}
