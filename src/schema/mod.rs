//! What a replicated table is: its key, its columns, the triggers that capture its writes.

pub mod crr;
pub mod inspect;
pub mod key;
pub mod late;
pub mod matching;
pub mod registry;
mod slots;
pub mod triggers;

pub use crr::{Column, Crr, KeyColumn};
pub use key::Key;
