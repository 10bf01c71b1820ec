//! The bodies of the fuzz targets as bounded tests: each over its corpus, then over inputs made from a seed.
//!
//! `CRSQL_FUZZ=n` gives n inputs to each body, `CRSQL_FUZZ_SEED=s` begins with another seed than 0. A failing input is
//! written to a file, whose name is printed. `CRSQL_FUZZ_INPUT=file` gives that file to the body of the test that runs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "fuzzing/bodies.rs"]
mod bodies;
mod model;
mod schedule;
#[path = "support/sealed.rs"]
mod sealed;
mod support;

// The schedules name it as a part of their crate.
use crsql::crdt;
use schedule::random::Random;
use std::path::{Path, PathBuf};
use std::{env, fs, panic};

/// How many inputs a body gets.
const FAST: u64 = 2_000;
/// As `FAST`, where each takes databases of its own.
const SLOW: u64 = 300;

const INPUT_BYTES_MAX: usize = 600;

#[test]
fn packed_keys() {
    run("packed_keys", FAST);
}

#[test]
fn clock_records() {
    run("clock_records", FAST);
}

#[test]
fn changesets() {
    run("changesets", SLOW);
}

#[test]
fn messages() {
    run("messages", SLOW);
}

#[test]
fn change_rows() {
    run("change_rows", SLOW);
}

#[test]
fn schedules() {
    run("schedules", SLOW / 3);
}

#[test]
fn every_target_is_run_and_has_a_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let test = fs::read_to_string(root.join("tests/fuzzing.rs")).expect("this file");
    for (name, _) in bodies::BODIES {
        assert!(test.contains(&format!("run(\"{name}\", ")), "{name}");
        assert!(!corpus(name).is_empty(), "{name}");
        let target = root.join(format!("fuzz/targets/{name}.rs"));
        assert!(target.exists(), "{}", target.display());
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
    )
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn run(name: &str, count: u64) {
    let body = bodies::named(name);
    if let Some(path) = env::var_os("CRSQL_FUZZ_INPUT") {
        return body(&fs::read(path).expect("the input"));
    }
    let inputs: Vec<Vec<u8>> = corpus(name)
        .iter()
        .map(|path| fs::read(path).expect("an input of the corpus"))
        .collect();
    inputs.iter().for_each(|input| give(name, body, input));
    let first = number_from("CRSQL_FUZZ_SEED").unwrap_or(0);
    for seed in first..first + number_from("CRSQL_FUZZ").unwrap_or(count) {
        give(name, body, &made(&mut Random::new(seed), &inputs));
    }
}

/// Random bytes, or one of the corpus with some of it altered.
fn made(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    if inputs.is_empty() || random.percent(50) {
        let length = random.below(INPUT_BYTES_MAX);
        return (0..length).map(|_| random.below(256) as u8).collect();
    }
    let mut input = random.pick(inputs).clone();
    for _ in 0..random.between(1, 6) {
        let at = random.below(input.len() + 1);
        match random.below(4) {
            0 => input.truncate(at),
            1 => input.insert(at, random.below(256) as u8),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
    input
}

fn give(name: &str, body: bodies::Body, input: &[u8]) {
    if panic::catch_unwind(|| body(input)).is_err() {
        let path = env::temp_dir().join(format!("crsql-{name}-{}", std::process::id()));
        fs::write(&path, input).expect("keep the input");
        panic!(
            "run it again with CRSQL_FUZZ_INPUT={} cargo test --test fuzzing {name}",
            path.display()
        );
    }
}
