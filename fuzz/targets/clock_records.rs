//! Fuzzes the decoding of clock records.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("clock_records")(data));
