//! Statements that are interrupted.

use rusqlite::ffi;

use super::counter::Counter;
use super::run::{Fault, MODES, Rig, survey, survey_regardless};

/// SQLite's machine is interrupted at its n-th step.
pub struct Interrupt(Counter);

impl Interrupt {
    pub fn new(is_lasting: bool) -> Interrupt {
        Interrupt(Counter::new(is_lasting))
    }
}

impl Fault for Interrupt {
    fn name(&self) -> String {
        format!("interrupt{}", self.0.suffix())
    }

    fn arm(&self, rig: &mut Rig, n: u64) {
        rig.connection
            .progress_handler(1, Some(self.0.start(n)))
            .expect("a progress handler");
    }

    fn disarm(&self, rig: &mut Rig) -> (u64, u64) {
        rig.connection
            .progress_handler(0, None::<fn() -> bool>)
            .expect("no progress handler");
        self.0.figures()
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
