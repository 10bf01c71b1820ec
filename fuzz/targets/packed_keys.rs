//! Fuzzes the decoding of packed keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("packed_keys")(data));
