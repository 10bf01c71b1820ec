//! A fleet of replicas over an unreliable network, each beside a pure model of it.
//!
//! ```text
//! seed -> timeline: virtual time, links, outages, faults -> script: a list of operations
//! script -> fleet: databases and models do each operation; after each one everything that must hold is checked
//! ```
//! A script is data: an operation that finds nothing to do does nothing, so that a failing one can be made short.

pub mod carry;
pub mod faults;
pub mod files;
pub mod fleet;
pub mod message;
pub mod parts;
pub mod reach;
pub mod script;
pub mod seen;
pub mod settle;
pub mod shorten;
pub mod talk;
pub mod timeline;
