//! Loading, living beside the application, and closing.
//!
//! Whatever the application installed before or after the extension still works, and whatever order
//! it loads, fails, rolls back or closes in, the connection stays usable.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "support/host.rs"]
mod hosts;

#[path = "loading/host.rs"]
mod host;

#[path = "loading/lifecycle.rs"]
mod lifecycle;

#[path = "loading/neighbours.rs"]
mod neighbours;

#[path = "loading/together.rs"]
mod together;
