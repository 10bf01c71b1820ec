//! Calls of the operating system that fail.

use rusqlite::ffi;

use super::disk::{CHANGES, Failure, Op, Plan};
use super::run::{Fault, MODES, Rig, survey, survey_regardless};

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

    fn may_give(&self, code: i32, _text: &str) -> bool {
        let class = code & 0xff;
        match self.failure {
            Failure::Full => class == ffi::SQLITE_FULL,
            // The WAL gives up its attempts by a name of its own.
            Failure::Busy => class == ffi::SQLITE_BUSY || class == ffi::SQLITE_PROTOCOL,
            _ => [ffi::SQLITE_IOERR, ffi::SQLITE_CANTOPEN].contains(&class),
        }
    }
}

const fn once(ops: &'static [Op], failure: Failure) -> Calls {
    Calls {
        ops,
        failure,
        is_lasting: false,
    }
}

#[test]
fn a_call_that_fails() {
    survey(&[&once(CHANGES, Failure::Io)], &MODES, 2, 90);
}

#[test]
fn a_disk_that_fails_for_a_while() {
    let lasting = Calls {
        ops: CHANGES,
        failure: Failure::Io,
        is_lasting: true,
    };
    survey(&[&lasting], &MODES[..1], 2, 90);
}

#[test]
fn a_read_that_fails() {
    survey(&[&once(&[Op::Read], Failure::Io)], &MODES[1..2], 3, 50);
}

#[test]
fn a_write_that_is_torn() {
    survey(&[&once(&[Op::Write], Failure::Torn)], &MODES[..2], 1, 90);
}

#[test]
fn a_disk_that_is_full() {
    let lasting = Calls {
        ops: &[Op::Write],
        failure: Failure::Full,
        is_lasting: true,
    };
    survey(
        &[&once(&[Op::Write], Failure::Full), &lasting],
        &MODES[..2],
        1,
        90,
    );
}

#[test]
fn an_application_that_goes_on_after_an_error_of_the_disk() {
    survey_regardless(&once(&[Op::Write, Op::Read], Failure::Io), 2);
}
