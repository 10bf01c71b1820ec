//! The rules of replication as functions of values: no SQLite, no I/O.
//!
//! Every decision on which write wins is made here and nowhere else.

pub mod change;
pub mod changeset;
pub mod clock;
pub mod digest;
pub mod key;
pub mod local_update;
pub mod merge;
pub mod message;
pub mod order;
pub mod value;
