//! Callbacks that panic on purpose, for `tests/panics.rs`. Debug builds alone have this; the test finds the functions by
//! their names in the library that it loads.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::ptr;

/// What every panic says.
const TEXT: &str = "a panic that was asked for";

#[derive(Default)]
struct Watch {
    /// Callbacks so far
    names: Vec<String>,
    /// The callback that is to panic, counted from 0, and whether it does so before its work or after
    planned: Option<(usize, Moment)>,
    /// The places in `names` of the callbacks that run now
    running: Vec<usize>,
    /// What `crsql_panics_name` gave
    given: CString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Watches the callbacks of this thread from now on. The one at `place` panics, if that is not negative.
#[unsafe(no_mangle)]
pub extern "C" fn crsql_panics_watch(place: i64, is_after: c_int) {
    let moment = match is_after {
        0 => Moment::Before,
        _ => Moment::After,
    };
    let watch = Watch {
        planned: usize::try_from(place).ok().map(|place| (place, moment)),
        ..Watch::default()
    };
    WATCH.with_borrow_mut(|kept| *kept = Some(watch));
}

/// Ends the watch.
#[unsafe(no_mangle)]
pub extern "C" fn crsql_panics_end() {
    WATCH.with_borrow_mut(|kept| *kept = None);
}

/// How many callbacks there were since the watch began.
#[unsafe(no_mangle)]
pub extern "C" fn crsql_panics_met() -> u64 {
    WATCH.with_borrow(|kept| kept.as_ref().map_or(0, |watch| watch.names.len() as u64))
}

/// The name of a callback, valid until the next call; null if there was none at this place.
#[unsafe(no_mangle)]
pub extern "C" fn crsql_panics_name(place: u64) -> *const c_char {
    WATCH.with_borrow_mut(|kept| {
        let found = kept.as_mut().and_then(|watch| {
            let name = watch.names.get(usize::try_from(place).ok()?)?;
            watch.given = CString::new(name.as_str()).ok()?;
            Some(watch.given.as_ptr())
        });
        found.unwrap_or(ptr::null())
    })
}

pub(super) fn before(callback: &str) {
    step(Moment::Before, |watch| {
        watch.running.push(watch.names.len());
        watch.names.push(callback.to_owned());
    });
}

pub(super) fn after() {
    step(Moment::After, |_| {});
}

fn step(moment: Moment, enter: impl FnOnce(&mut Watch)) {
    let is_planned = WATCH.with_borrow_mut(|kept| {
        let Some(watch) = kept else {
            return false;
        };
        enter(watch);
        let running = watch.running.last().copied();
        let is_planned = running.is_some() && watch.planned == running.map(|at| (at, moment));
        if moment == Moment::After || is_planned {
            watch.running.pop();
        }
        is_planned
    });
    assert!(!is_planned, "{TEXT}");
}
