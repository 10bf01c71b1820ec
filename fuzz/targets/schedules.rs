//! Fuzzes sequences of SQL against the model.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("schedules")(data));
