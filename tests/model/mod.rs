//! A pure model of a replica: one clock per cell, no SQLite, no storage tricks, nothing shared with the library.
//!
//! It says what `crsql_changes` has to report after any sequence of local writes, merges, savepoints and rollbacks. The
//! property test compares the library with it step by step, and runs it alone to see that the merge rules themselves
//! converge.

#![allow(dead_code)] // each test binary uses its own part of this module

pub mod key;
pub mod merge;
pub mod parked;
pub mod reach;
pub mod replica;
pub mod schema;
pub mod statement;
pub mod table;
pub mod value;
pub mod write;
