//! An authorizer of the application that refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;
use rusqlite::hooks::{AuthContext, Authorization};

use super::run::{Fault, MODES, Rig, survey, survey_regardless};

/// The n-th action that SQLite asks for is denied.
pub struct Denial {
    pub is_lasting: bool,
    seen: Arc<AtomicU64>,
    fired: Arc<AtomicU64>,
}

impl Denial {
    pub fn new(is_lasting: bool) -> Denial {
        Denial {
            is_lasting,
            seen: Arc::default(),
            fired: Arc::default(),
        }
    }
}

impl Fault for Denial {
    fn name(&self) -> String {
        let lasting = if self.is_lasting { ", lasting" } else { "" };
        format!("denial{lasting}")
    }

    fn arm(&self, rig: &mut Rig, n: u64) {
        self.seen.store(0, Ordering::Relaxed);
        self.fired.store(0, Ordering::Relaxed);
        let (seen, fired, is_lasting) = (
            Arc::clone(&self.seen),
            Arc::clone(&self.fired),
            self.is_lasting,
        );
        let hook = move |_: AuthContext<'_>| {
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            if count == n || is_lasting && count > n {
                fired.fetch_add(1, Ordering::Relaxed);
                Authorization::Deny
            } else {
                Authorization::Allow
            }
        };
        rig.connection
            .authorizer(Some(hook))
            .expect("an authorizer");
    }

    fn disarm(&self, rig: &mut Rig) -> (u64, u64) {
        rig.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
            .expect("no authorizer");
        (
            self.seen.load(Ordering::Relaxed),
            self.fired.load(Ordering::Relaxed),
        )
    }

    fn may_give(&self, code: i32, text: &str) -> bool {
        // SQLite gives no code of its own where it may not use a function.
        code == ffi::SQLITE_AUTH || text.contains("not authorized")
    }
}

#[test]
fn an_action_that_is_denied() {
    survey(&[&Denial::new(false)], &MODES[1..2], 3, 80);
}

#[test]
fn everything_denied_from_one_moment_on() {
    survey(&[&Denial::new(true)], &MODES[..1], 2, 80);
}

#[test]
fn an_application_that_goes_on_after_a_denial() {
    survey_regardless(&Denial::new(false), 2);
}
