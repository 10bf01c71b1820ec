//! The bodies of the fuzz targets: functions of any bytes that panic if something is wrong.
//!
//! They run under libFuzzer (`fuzz/`), and as bounded tests (`tests/fuzzing.rs`). Bytes are used as they are, or as the
//! choices of a generator (`Random::from_bytes`), which gets past checksums and to where the rules of merging are.

mod change_rows;
mod changesets;
mod clock_records;
mod messages;
mod packed_keys;
mod replica;
mod schedules;
mod values;

/// What takes any bytes.
pub type Body = fn(&[u8]);

/// Every body, by the name of its fuzz target and its corpus.
pub const BODIES: [(&str, Body); 6] = [
    ("packed_keys", packed_keys::run),
    ("clock_records", clock_records::run),
    ("changesets", changesets::run),
    ("messages", messages::run),
    ("change_rows", change_rows::run),
    ("schedules", schedules::run),
];

/// The body of a target.
pub fn named(name: &str) -> Body {
    let found = BODIES.iter().find(|(target, _)| *target == name);
    let (_, body) = found.unwrap_or_else(|| panic!("there is no target {name}"));
    *body
}
