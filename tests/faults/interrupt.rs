//! Statements that are interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;

use super::run::{Fault, MODES, Rig, survey, survey_regardless};

/// SQLite's machine is interrupted at its n-th step.
pub struct Interrupt {
    pub is_lasting: bool,
    seen: Arc<AtomicU64>,
    fired: Arc<AtomicU64>,
}

impl Interrupt {
    pub fn new(is_lasting: bool) -> Interrupt {
        Interrupt {
            is_lasting,
            seen: Arc::default(),
            fired: Arc::default(),
        }
    }
}

impl Fault for Interrupt {
    fn name(&self) -> String {
        let lasting = if self.is_lasting { ", lasting" } else { "" };
        format!("interrupt{lasting}")
    }

    fn arm(&self, rig: &mut Rig, n: u64) {
        self.seen.store(0, Ordering::Relaxed);
        self.fired.store(0, Ordering::Relaxed);
        let (seen, fired, is_lasting) = (
            Arc::clone(&self.seen),
            Arc::clone(&self.fired),
            self.is_lasting,
        );
        let handler = move || {
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            let is_due = count == n || is_lasting && count > n;
            fired.fetch_add(u64::from(is_due), Ordering::Relaxed);
            is_due
        };
        rig.connection
            .progress_handler(1, Some(handler))
            .expect("a progress handler");
    }

    fn disarm(&self, rig: &mut Rig) -> (u64, u64) {
        rig.connection
            .progress_handler(0, None::<fn() -> bool>)
            .expect("no progress handler");
        (
            self.seen.load(Ordering::Relaxed),
            self.fired.load(Ordering::Relaxed),
        )
    }

    fn may_give(&self, code: i32, _text: &str) -> bool {
        code == ffi::SQLITE_INTERRUPT
    }
}

#[test]
fn an_interrupt_at_any_step() {
    survey(&[&Interrupt::new(false)], &MODES[1..2], 3, 80);
}

#[test]
fn interrupts_from_one_moment_on() {
    survey(&[&Interrupt::new(true)], &MODES[..1], 2, 80);
}

#[test]
fn an_application_that_goes_on_after_an_interrupt() {
    survey_regardless(&Interrupt::new(false), 2);
}
