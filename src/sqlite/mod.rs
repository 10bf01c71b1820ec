//! The C boundary: everything unsafe, behind types that cannot be misused.
//!
//! Callbacks cast, guard against panics, call a safe method and convert its result; nothing else.

pub mod api;
pub mod connection;
pub mod created;
pub mod function;
pub mod guard;
#[cfg(debug_assertions)]
mod injection;
mod memory;
pub mod query;
pub mod scratch;
pub mod statement;
pub mod table;
pub mod triggers;
pub mod value;
pub mod vtab;

pub use connection::{Connection, randomness};
pub use statement::Statement;
