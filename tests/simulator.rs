//! Fleets of replicas over an unreliable network, compared with the model at every step.
//!
//! `CRSQL_SIM_FLEETS=n` runs n fleets of `CRSQL_SIM_STEPS=n` steps, the first with `CRSQL_SIM_FIRST_SEED=s`;
//! `CRSQL_SIM_SEED=s` runs one (`make sim`). The ignored test `soak` runs until it is stopped (`make soak`), or for
//! `CRSQL_SIM_SECONDS=n`, or until a fleet fails; with `CRSQL_SIM_GO_ON=1` it goes on then. A failing script is made short,
//! unless `CRSQL_SIM_KEEP=1` says no, and printed as the statements that led there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

/// The pure half of the library, compiled into the test: the library itself would bring a second SQLite along.
#[path = "../src/crdt/mod.rs"]
#[allow(dead_code, unused_imports, missing_docs)] // only what makes changesets is used here
mod crdt;
mod model;
mod schedule;
#[path = "simulator/mod.rs"]
mod simulator;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use schedule::run::Outcome;
use schedule::shapes;
use simulator::fleet::Fleet;
use simulator::reach::{Met, Reached};
use simulator::script::Script;
use simulator::shorten::shorten;
use simulator::timeline;

/// The budget of `make test`.
const FLEETS: u64 = 80;
const STEPS: u64 = 150;

/// Seeds and steps of fleets that reach what those of the budget do not.
const RARE: [(u64, u64); 1] = [(50_000, 300)];

/// Fleets of a long run, one after the other, are of these sizes.
const SOAK_STEPS: [u64; 6] = [100, 300, 300, 1_000, 1_000, 4_000];

/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_secs(60);

/// SQLite's generator of random bytes, which makes the site ids, is one for the whole process.
static RANDOM_BYTES: Mutex<()> = Mutex::new(());

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
    )
}

fn steps() -> u64 {
    number_from("CRSQL_SIM_STEPS").unwrap_or(STEPS)
}

#[test]
fn simulated_fleets_agree_with_the_model() {
    if let Some(seed) = number_from("CRSQL_SIM_SEED") {
        let reached = run_seed(seed, steps()).unwrap_or_else(|report| panic!("{report}"));
        println!("{}", reached.report());
        return;
    }
    let first = number_from("CRSQL_SIM_FIRST_SEED").unwrap_or(0);
    let count = number_from("CRSQL_SIM_FLEETS").unwrap_or(FLEETS);
    let mut total = Reached::default();
    for seed in first..first + count {
        let reached = run_seed(seed, steps()).unwrap_or_else(|report| panic!("{report}"));
        total.add(&reached);
    }
    let is_budget = count >= FLEETS && steps() >= STEPS;
    for (seed, steps) in RARE.into_iter().filter(|_| is_budget) {
        let reached = run_seed(seed, steps).unwrap_or_else(|report| panic!("{report}"));
        total.add(&reached);
    }
    println!("{}", total.report());
    // A simulator that does not reach a state proves nothing about it.
    if is_budget {
        let missing = total.missing();
        assert!(missing.is_empty(), "never reached: {missing:?}");
    }
}

#[test]
#[ignore = "runs until it is stopped"]
fn soak() {
    let mut seed = number_from("CRSQL_SIM_FIRST_SEED").unwrap_or(1_000_000);
    let end = number_from("CRSQL_SIM_SECONDS").map(Duration::from_secs);
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut total = Reached::default();
    while end.is_none_or(|end| start.elapsed() < end) {
        let place = seed as usize % SOAK_STEPS.len();
        let steps = number_from("CRSQL_SIM_STEPS").unwrap_or(SOAK_STEPS[place]);
        match run_seed(seed, steps) {
            Ok(reached) => total.add(&reached),
            Err(report) if std::env::var_os("CRSQL_SIM_GO_ON").is_some() => println!("{report}"),
            Err(report) => {
                println!("{}", total.report());
                panic!("{report}");
            }
        }
        seed += 1;
        if said.elapsed() > PROGRESS {
            said = Instant::now();
            let sizes = &total.sizes;
            println!(
                "{} s: next seed {seed}, {} fleets, {} steps, {} faults",
                start.elapsed().as_secs(),
                sizes.fleets,
                sizes.steps,
                faults(&total)
            );
        }
    }
    println!("{}\n{} faults", total.report(), faults(&total));
    let missing = total.missing();
    println!("never reached: {missing:?}");
}

/// How many things went wrong on purpose.
fn faults(reached: &Reached) -> u64 {
    let faults = [
        Met::MessageLost,
        Met::MessageCutOff,
        Met::ConnectionBroken,
        Met::MessageRepeated,
        Met::MessageLate,
        Met::ReorderedOnTheWay,
        Met::MergeRolledBack,
        Met::Crashed,
        Met::Restored,
        Met::CopiedBytes,
        Met::CopiedByVacuum,
        Met::IdentityShared,
    ];
    faults.iter().map(|fault| reached.count(*fault)).sum()
}

fn run_seed(seed: u64, steps: u64) -> Result<Reached, String> {
    let script = timeline::script(seed, steps as usize, &shapes::all());
    run(&script, false).0.map_err(|error| {
        println!("seed {seed} failed; making it short");
        let done = run(&script, false).1;
        let mut short = script;
        short.operations.truncate(done);
        let short = match number_from("CRSQL_SIM_KEEP") {
            Some(_) => short,
            None => shorten(short, |script| run(script, false).0.is_err()),
        };
        let (outcome, _) = run(&short, true);
        let report = outcome
            .err()
            .unwrap_or_else(|| "it passed when run again".to_owned());
        format!(
            "fleet failed, replay it with make sim SEED={seed} STEPS={steps}\n{}\n{report}",
            error.lines().last().unwrap_or_default()
        )
    })
}

/// Runs a script; also gives how many of its operations were begun.
fn run(script: &Script, is_traced: bool) -> (Result<Reached, String>, usize) {
    let _guard = RANDOM_BYTES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    support::seed_random_bytes(script.plan.seed as u32 | 1);
    let scratch = support::scratch_dir();
    let mut done = 0;
    let mut trace = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut fleet = Fleet::new(script, &scratch, is_traced)?;
        let outcome = run_fleet(&mut fleet, script, &mut done);
        trace = fleet.world.trace.take().unwrap_or_default();
        outcome?;
        Ok(fleet.into_reached())
    }));
    let outcome = outcome.unwrap_or_else(|_| Err("a panic".to_owned()));
    let outcome = outcome.map_err(|error| format!("{}\n{error}", trace.join("\n")));
    (outcome, done)
}

fn run_fleet(fleet: &mut Fleet<'_>, script: &Script, done: &mut usize) -> Outcome {
    for operation in &script.operations {
        *done += 1;
        fleet.operate(operation)?;
    }
    fleet.settle(script.plan.seed)?;
    fleet.finish()
}
