//! Values that SQLite had no memory for.
//!
//! A value is read as bytes that SQLite may have to convert first. Where it has no memory for that it gives nothing,
//! which must not pass for an empty text. So it is noted here, no statement runs with such a value, and the callback
//! that read it fails.

use crate::error::{Error, Result};
use std::cell::Cell;

thread_local! {
    static IS_SHORT: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a value could not be read, if that is so.
pub(super) fn note_if(is_short: bool) {
    if is_short {
        IS_SHORT.set(true);
    }
}

/// An error if a value could not be read in this callback.
pub(super) fn check() -> Result<()> {
    match IS_SHORT.get() {
        true => Err(Error::out_of_memory()),
        false => Ok(()),
    }
}

/// As `check`, at the end of the callback.
pub(super) fn take() -> Result<()> {
    let outcome = check();
    IS_SHORT.set(false);
    outcome
}
