//! What the fuzz targets share: the bodies of `tests/fuzzing`, with the extension linked in, so that libFuzzer sees which
//! of its code runs and AddressSanitizer what it does to memory.
#![allow(dead_code)] // a target uses its own part

// The schedules name it as a part of their crate.
use crsql::crdt;

#[path = "../../tests/fuzzing/bodies.rs"]
pub mod bodies;
#[path = "../../tests/model/mod.rs"]
mod model;
#[path = "../../tests/schedule/mod.rs"]
mod schedule;
#[path = "../../tests/support/sealed.rs"]
mod sealed;

mod support;
