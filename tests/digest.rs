//! The digest of a database, and making two databases equal by it.
//!
//! `CRSQL_SCHEDULES` sets how many random schedules run; a failing one is named by its seed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

/// The pure half of the library, compiled into the test: the library itself would bring a second SQLite along.
#[path = "../src/crdt/mod.rs"]
#[allow(dead_code, unused_imports, missing_docs)] // only what seals messages is used here
mod crdt;
mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "schedule/random.rs"]
#[allow(dead_code)] // not all of its choices are needed here
mod random;

#[path = "digest/conversation.rs"]
mod conversation;
#[path = "digest/hostile.rs"]
mod hostile;
#[path = "digest/large.rs"]
mod large;
#[path = "digest/meaning.rs"]
mod meaning;
#[path = "digest/reconcile.rs"]
mod reconcile;
#[path = "digest/schema.rs"]
mod schema;
#[path = "support/sealed.rs"]
mod sealed;
#[path = "digest/unmatched.rs"]
mod unmatched;
#[path = "digest/upkeep.rs"]
mod upkeep;
#[path = "digest/world.rs"]
mod world;
