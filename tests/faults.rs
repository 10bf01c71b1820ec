//! Faults inside SQLite: a disk that fails, tears, fills up or loses its power; memory that runs out; locks,
//! interrupts and refusals at every point of the work.
//!
//! After each the error is clean, the work is whole or absent, the file is sound, and the same connection does the
//! work again, so that everything ends as if nothing had happened. A sample runs by default; `make faults` runs all.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "schedule/random.rs"]
#[allow(dead_code)] // other tests use the rest of it
mod random;

#[path = "faults/allocator.rs"]
mod allocator;
#[path = "faults/authorizer.rs"]
mod authorizer;
#[path = "faults/busy.rs"]
mod busy;
#[path = "faults/counter.rs"]
mod counter;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/interrupt.rs"]
mod interrupt;
#[path = "faults/io.rs"]
mod io;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/power.rs"]
mod power;
#[path = "faults/reads.rs"]
mod reads;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/scenarios.rs"]
mod scenarios;
#[path = "faults/state.rs"]
mod state;
#[path = "faults/stories.rs"]
mod stories;
#[path = "faults/vfs.rs"]
mod vfs;
