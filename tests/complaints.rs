//! The faults that users of such extensions reported, one test each, under the number of the
//! complaint in our list.
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

#[path = "complaints/application.rs"]
mod application;
#[path = "complaints/growth.rs"]
mod growth;
#[path = "complaints/host.rs"]
mod host;
#[path = "complaints/listed.rs"]
mod listed;
#[path = "complaints/loss.rs"]
mod loss;
#[path = "complaints/schema.rs"]
mod schema;
#[path = "complaints/versions.rs"]
mod versions;
