//! The one guard through which SQLite calls us: a panic becomes an error instead of crossing into C, and so does a value
//! that could not be read.

use super::memory;
use crate::error::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the work of a callback. `callback` is its name in SQLite's documentation, or that of an SQL function.
pub fn guard<T>(callback: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let watched = || {
        #[cfg(debug_assertions)]
        super::injection::before(callback);
        let outcome = work();
        #[cfg(debug_assertions)]
        super::injection::after();
        outcome
    };
    let outcome = catch_unwind(AssertUnwindSafe(watched)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        Err(Error::Internal(format!("{callback}: {text}")))
    });
    memory::take()?;
    outcome
}
