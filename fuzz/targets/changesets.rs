//! Fuzzes changesets: looking into them and applying them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crsql_fuzz::bodies::named("changesets")(data));
