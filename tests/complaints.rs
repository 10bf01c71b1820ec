//! The faults that users of such extensions reported, one test each, under the number of the
//! complaint in our list.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "complaints/schema.rs"]
mod schema;

#[path = "support/checks.rs"]
mod checks;

#[path = "complaints/application.rs"]
mod application;

#[path = "complaints/loss.rs"]
mod loss;

#[path = "complaints/versions.rs"]
mod versions;
