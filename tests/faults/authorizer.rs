//! An authorizer of the application that refuses.

use rusqlite::ffi;
use rusqlite::hooks::{AuthContext, Authorization};

use super::counter::Counter;
use super::run::{Fault, MODES, Rig, survey, survey_regardless};

/// The n-th action that SQLite asks for is denied.
pub struct Denial(Counter);

impl Denial {
    pub fn new(is_lasting: bool) -> Denial {
        Denial(Counter::new(is_lasting))
    }
}

impl Fault for Denial {
    fn name(&self) -> String {
        format!("denial{}", self.0.suffix())
    }

    fn arm(&self, rig: &mut Rig, n: u64) {
        let mut is_due = self.0.start(n);
        let hook = move |_: AuthContext<'_>| match is_due() {
            true => Authorization::Deny,
            false => Authorization::Allow,
        };
        rig.connection
            .authorizer(Some(hook))
            .expect("an authorizer");
    }

    fn disarm(&self, rig: &mut Rig) -> (u64, u64) {
        rig.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
            .expect("no authorizer");
        self.0.figures()
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
