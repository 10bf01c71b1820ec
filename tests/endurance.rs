//! Many connections, one after the other and side by side: nothing grows, nothing is lost.
//!
//! `CRSQL_CONNECTIONS=n` opens and closes n connections, `CRSQL_ROUNDS=n` lets each thread work for n rounds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/checks.rs"]
mod checks;
#[path = "endurance/growth.rs"]
mod growth;
mod support;
#[path = "endurance/threads.rs"]
mod threads;

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}
