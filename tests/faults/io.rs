//! Calls of the operating system that fail.

use rusqlite::ffi;

use super::disk::{CHANGES, Failure, Op, Plan};
use super::run::{Fault, MODES, Mode, Reference, Rig, inject, report};
use super::scenarios;

/// The n-th call of these kinds fails.
pub struct Calls {
    pub ops: &'static [Op],
    pub failure: Failure,
    pub is_lasting: bool,
}

impl Fault for Calls {
    fn name(&self) -> String {
        let lasting = if self.is_lasting { ", lasting" } else { "" };
        format!("{:?} of {:?}{lasting}", self.failure, self.ops)
    }

    fn arm(&self, rig: &mut Rig, n: u64) {
        rig.mounted.disk.set_plan(Some(Plan {
            ops: self.ops,
            failure: self.failure,
            at: n,
            is_lasting: self.is_lasting,
        }));
    }

    fn disarm(&self, rig: &mut Rig) -> (u64, u64) {
        rig.mounted.disk.set_plan(None);
        rig.mounted.disk.counts()
    }

    fn may_give(&self, code: i32) -> bool {
        let class = code & 0xff;
        match self.failure {
            Failure::Full => class == ffi::SQLITE_FULL,
            Failure::Busy => class == ffi::SQLITE_BUSY,
            _ => [ffi::SQLITE_IOERR, ffi::SQLITE_CANTOPEN].contains(&class),
        }
    }
}

#[test]
fn probe() {
    let all: Vec<Reference> = scenarios::all().into_iter().map(Reference::new).collect();
    for mode in &MODES[..2] {
        let mut found = Vec::new();
        for reference in &all {
            let fault = Calls { ops: CHANGES, failure: Failure::Io, is_lasting: false };
            let figures = inject(reference, *mode, &fault, 10);
            found.push((reference.scenario.name.to_owned(), figures));
        }
        report(mode.journal, &found);
    }
}
