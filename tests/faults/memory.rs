//! Memory that runs out.

use rusqlite::ffi;

use super::allocator;
use super::run::{Fault, MODES, Rig, survey, survey_regardless};

/// The n-th allocation of SQLite fails.
pub struct Memory {
    pub is_lasting: bool,
}

impl Fault for Memory {
    fn name(&self) -> String {
        let lasting = if self.is_lasting { ", lasting" } else { "" };
        format!("out of memory{lasting}")
    }

    fn arm(&self, _rig: &mut Rig, n: u64) {
        allocator::arm(n, self.is_lasting);
    }

    fn disarm(&self, _rig: &mut Rig) -> (u64, u64) {
        allocator::disarm()
    }

    fn may_give(&self, code: i32, _text: &str) -> bool {
        code == ffi::SQLITE_NOMEM || code == ffi::SQLITE_IOERR_NOMEM
    }
}

#[test]
fn an_allocation_that_fails() {
    survey(&[&Memory { is_lasting: false }], &MODES[1..2], 4, 80);
}

#[test]
fn no_memory_from_one_moment_on() {
    survey(&[&Memory { is_lasting: true }], &MODES[..1], 2, 80);
}

#[test]
fn an_application_that_goes_on_without_memory() {
    survey_regardless(&Memory { is_lasting: false }, 3);
}
