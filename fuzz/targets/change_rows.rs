//! Fuzzes rows for `crsql_changes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("change_rows")(data));
