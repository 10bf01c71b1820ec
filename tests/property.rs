//! Random schedules of several replicas: first the merge rules by themselves, then the library against the model.
//!
//! `CRSQL_SCHEDULES=n` runs n schedules, `CRSQL_SEED=s` replays the one with that seed. A failing schedule is made short and
//! printed as the statements that led there. `CRSQL_FIRST_SEED=s` begins with another seed than 0. `CRSQL_LARGE=n` runs n
//! transactions that touch tens of thousands of rows.

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
mod support;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::reach::{Reach, Situation};
use model::table::Table;
use schedule::plan::Plan;
use schedule::run::{Outcome, World};
use schedule::{generate, large, shapes, shrink};

const SCHEDULES: u64 = 1_000;

/// How many schedules of the model alone there are to one with databases.
const MODEL_SCHEDULES_PER_SCHEDULE: u64 = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    ModelAlone,
    Library,
}

#[test]
fn merge_rules_alone_converge() {
    run_all(
        Subject::ModelAlone,
        schedules() * MODEL_SCHEDULES_PER_SCHEDULE,
    );
}

#[test]
fn library_agrees_with_the_model_and_replicas_converge() {
    run_all(Subject::Library, schedules());
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
    )
}

fn schedules() -> u64 {
    number_from("CRSQL_SCHEDULES").unwrap_or(SCHEDULES)
}

fn run_all(subject: Subject, count: u64) {
    if let Some(seed) = number_from("CRSQL_SEED") {
        run_seed(subject, seed).unwrap_or_else(|report| panic!("{report}"));
        return;
    }
    let first = number_from("CRSQL_FIRST_SEED").unwrap_or(0);
    let (next, is_failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let total = Mutex::new(Reach::default());
    let reports = Mutex::new(Vec::new());
    let worker = || {
        while !is_failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            match run_seed(subject, seed) {
                Ok(reach) => total.lock().expect("no thread panics").add(&reach),
                Err(report) => {
                    is_failed.store(true, Ordering::Relaxed);
                    reports
                        .lock()
                        .expect("no thread panics")
                        .push((seed, report));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    let mut reports = reports.into_inner().expect("no thread panics");
    reports.sort();
    if let Some((_, report)) = reports.first() {
        panic!("{report}");
    }
    check_reach(
        subject,
        count,
        &total.into_inner().expect("no thread panics"),
    );
}

/// A generator that reaches nothing proves nothing.
fn check_reach(subject: Subject, count: u64, reach: &Reach) {
    let needs_files = [
        Situation::Reopened,
        Situation::SecondConnection,
        Situation::AlteredByOtherConnection,
    ];
    // That takes a copy of a file, which is the simulator's.
    let of_copies = [Situation::TieWonByOwnSite, Situation::ParkedTieWonByOwnSite];
    let is_met = |situation: &&Situation| !of_copies.contains(situation);
    let expected = |situation: &&Situation| {
        is_met(situation) && (subject == Subject::Library || !needs_files.contains(situation))
    };
    println!("{count} schedules reached:");
    for situation in Situation::ALL {
        println!("  {:>9} {situation:?}", reach.count(*situation));
    }
    if count >= SCHEDULES {
        let never: Vec<_> = Situation::ALL
            .iter()
            .filter(expected)
            .filter(|situation| reach.count(**situation) == 0)
            .collect();
        assert!(never.is_empty(), "never reached: {never:?}");
    }
}

fn run_seed(subject: Subject, seed: u64) -> Result<Reach, String> {
    let shapes = shapes::all();
    let plan = generate::plan(seed, &shapes);
    run_plan(subject, &plan, false).map_err(|_| {
        let short = shrink::shrink(plan, |plan| run_plan(subject, plan, false).is_err());
        let report = run_plan(subject, &short, true)
            .err()
            .unwrap_or_else(|| "it passed when run again".to_owned());
        format!("schedule failed, replay it with CRSQL_SEED={seed}\n{report}")
    })
}

fn run_plan(subject: Subject, plan: &Plan, is_traced: bool) -> Result<Reach, String> {
    let scratch = (subject == Subject::Library).then(support::scratch_dir);
    let directory = scratch.as_deref();
    let all = shapes::all().into_iter().enumerate();
    let shapes = all
        .filter(|(index, _)| plan.shapes.contains(index))
        .map(|(_, shape)| shape)
        .collect();
    let mut world = World::new(plan, shapes, directory, is_traced)?;
    run_world(&mut world, plan, directory).map_err(|error| {
        let trace = world.trace.take().unwrap_or_default();
        format!("{}\n{error}", trace.join("\n"))
    })?;
    Ok(world.reached())
}

fn run_world(world: &mut World, plan: &Plan, directory: Option<&Path>) -> Outcome {
    for step in &plan.steps {
        world.step(step)?;
    }
    world.finish(plan, directory)
}

#[test]
fn transactions_larger_than_the_buffers_agree_with_the_model() {
    let scratch = support::scratch_dir();
    for seed in 0..number_from("CRSQL_LARGE").unwrap_or(2) {
        let [by_rowid, by_key] = large::tables();
        let table = if seed % 2 == 0 { by_rowid } else { by_key };
        let outcome = large::run(seed, table, &scratch);
        outcome.unwrap_or_else(|report| panic!("{report}"));
    }
}

/// The shapes have the columns that the model says.
#[test]
fn shapes_are_what_sqlite_makes_of_them() {
    let connection = rusqlite::Connection::open_in_memory().expect("open a database in memory");
    for table in shapes::all() {
        connection
            .execute_batch(&table.create)
            .expect("create a shape");
        assert_eq!(
            columns_of(&connection, &table),
            expected_columns(&table),
            "{}",
            table.name
        );
    }
}

fn expected_columns(table: &Table) -> Vec<(String, i64)> {
    let position = |index| {
        table
            .key
            .iter()
            .position(|key| *key == index)
            .map_or(0, |position| position as i64 + 1)
    };
    table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| (column.name.clone(), position(index)))
        .collect()
}

fn columns_of(connection: &rusqlite::Connection, table: &Table) -> Vec<(String, i64)> {
    connection
        .prepare("SELECT name, pk FROM pragma_table_xinfo(?1) ORDER BY cid")
        .and_then(|mut columns| {
            columns
                .query_map([&table.name], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .expect("read the columns of a shape")
}
