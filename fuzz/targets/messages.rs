//! Fuzzes the answers to messages of a reconciliation.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("messages")(data));
