//! Runs a scenario with one fault in it, and looks at what is left.
//!
//! ```text
//! prepared files --open, load--> armed --steps--> error or end --disarm--> as before or after a step?
//!                                                   integrity_check, crsql_check
//!                                                   the rest of the steps, local writes: as without the fault?
//!                                                   close: no statement left
//! ```

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rusqlite::{Connection, Error};

use super::allocator;
use super::disk::{Disk, Files};
use super::scenarios::{self, Scenario, Step};
use super::state::{assert_sound, check_whole, difference, digest, dump};
use super::vfs::Mounted;
use crate::checks::{one, text_of};
use crate::support::load;

/// How the database writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub journal: &'static str,
    pub synchronous: &'static str,
}

pub const MODES: [Mode; 4] = [
    Mode {
        journal: "wal",
        synchronous: "full",
    },
    Mode {
        journal: "delete",
        synchronous: "full",
    },
    Mode {
        journal: "wal",
        synchronous: "normal",
    },
    Mode {
        journal: "delete",
        synchronous: "normal",
    },
];

/// A connection that faults are injected into.
pub struct Rig {
    pub connection: Connection,
    pub mounted: Mounted,
}

impl Rig {
    /// Opens the database among these files. Small pages and a small cache make SQLite use the disk often.
    pub fn open(files: &Files, mode: Mode) -> Rig {
        let mounted = Mounted::new(Disk::with(files));
        let connection = mounted.open("db").expect("open the database");
        load(&connection).expect("load the extension");
        prepare_connection(&connection, mode);
        Rig {
            connection,
            mounted,
        }
    }
}

fn prepare_connection(connection: &Connection, mode: Mode) {
    connection
        .busy_timeout(std::time::Duration::ZERO)
        .expect("no waiting");
    connection
        .execute_batch(&format!(
            "PRAGMA cache_size = 10; PRAGMA synchronous = {}",
            mode.synchronous
        ))
        .expect("settings");
}

/// Something that goes wrong at the n-th occasion.
pub trait Fault {
    fn name(&self) -> String;
    /// From here on the n-th occasion goes wrong.
    fn arm(&self, rig: &mut Rig, n: u64);
    /// Nothing goes wrong any more. How many occasions there were, and how many went wrong.
    fn disarm(&self, rig: &mut Rig) -> (u64, u64);
    /// Whether an error with this result code and text may come of it.
    fn may_give(&self, code: i32, text: &str) -> bool;
}

/// What came of the faults of one kind in one scenario.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Occasions in a run without a fault
    pub occasions: u64,
    pub attempts: u64,
    /// Attempts in which the fault happened
    pub injected: u64,
    /// Of these, how many gave an error, and in how many of those the step was done all the same
    pub errors: u64,
    pub done: u64,
    pub codes: BTreeMap<i32, u64>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figures {
            occasions,
            injected,
            errors,
            done,
            codes,
            ..
        } = self;
        write!(
            f,
            "{occasions} occasions, {injected} faults, {errors} errors ({done} with the work done), {} absorbed, codes {codes:?}",
            injected.saturating_sub(*errors)
        )
    }
}

impl Figures {
    pub fn add(&mut self, other: &Figures) {
        self.occasions += other.occasions;
        self.attempts += other.attempts;
        self.injected += other.injected;
        self.errors += other.errors;
        self.done += other.done;
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
    }
}

/// A scenario, and what it gives without faults.
pub struct Reference {
    pub scenario: Scenario,
    files: Files,
    files_wal: Files,
    /// Before the first step and after each
    pub states: Vec<String>,
    /// After the local writes
    pub last: String,
    digest: Vec<u8>,
}

impl Reference {
    pub fn new(scenario: Scenario) -> Reference {
        allocator::install();
        let made = Mounted::new(Disk::default());
        let connection = made.open("db").expect("open");
        connection
            .execute_batch("PRAGMA page_size = 1024; PRAGMA synchronous = off")
            .expect("settings");
        (scenario.prepare)(&connection);
        connection.close().expect("close");
        let files = made.disk.files();
        let connection = made.open("db").expect("open");
        let journal: String = one(&connection, "PRAGMA journal_mode = wal");
        assert_eq!(journal, "wal");
        connection.close().expect("close");
        let files_wal = made.disk.files();
        let rig = Rig::open(&files, MODES[1]);
        let mut states = vec![dump(&rig.connection)];
        for step in &scenario.steps {
            step.run(&rig.connection)
                .unwrap_or_else(|error| panic!("{}: {error}\n{step:?}", scenario.name));
            states.push(dump(&rig.connection));
        }
        run_all(&rig.connection, &scenario.after, scenario.name);
        let last = dump(&rig.connection);
        if scenario.is_rebuilt {
            check_whole(&rig.connection, scenario.name);
        }
        let digest = digest(&rig.connection);
        Reference {
            scenario,
            files,
            files_wal,
            states,
            last,
            digest,
        }
    }

    pub fn files(&self, mode: Mode) -> &Files {
        if mode.journal == "wal" {
            &self.files_wal
        } else {
            &self.files
        }
    }

    /// The number of the state that the database is in, among these.
    pub fn place(
        &self,
        connection: &Connection,
        allowed: std::ops::RangeInclusive<usize>,
        context: &str,
    ) -> usize {
        let found = dump(connection);
        for place in allowed.clone().rev() {
            if self.states.get(place) == Some(&found) {
                return place;
            }
        }
        let nearest = &self.states[(*allowed.start()).min(self.states.len() - 1)];
        panic!(
            "{context}: neither whole nor absent (states {allowed:?})\n{}",
            difference(nearest, &found)
        );
    }

    /// Goes on from a state: afterwards all is as if nothing had happened.
    pub fn go_on(&self, connection: &Connection, from: usize, context: &str) {
        assert_sound(connection, context);
        run_all(connection, &self.scenario.steps[from..], context);
        run_all(connection, &self.scenario.after, context);
        let found = dump(connection);
        assert!(
            found == self.last,
            "{context}: after going on\n{}",
            difference(&self.last, &found)
        );
        assert_sound(connection, context);
        assert_eq!(digest(connection), self.digest, "{context}: digest");
    }
}

fn run_all(connection: &Connection, steps: &[Step], context: &str) {
    for step in steps {
        step.run(connection)
            .unwrap_or_else(|error| panic!("{context}: {error}\n{step:?}"));
    }
}

/// The result code of an error, extended, and its text.
pub fn code_and_text(error: &Error) -> (i32, String) {
    let code = match error {
        Error::SqliteFailure(failure, _) => failure.extended_code,
        Error::SqlInputError { error, .. } => error.extended_code,
        other => panic!("an error of another kind: {other:?}"),
    };
    (code, text_of(error))
}

/// An error says what happened.
pub fn assert_clean(error: &Error, fault: &dyn Fault, context: &str) -> i32 {
    let (code, text) = code_and_text(error);
    let is_empty = ["", "not an error", "unknown error", "no error"].contains(&text.as_str());
    assert!(
        !is_empty && !text.contains("internal error"),
        "{context}: {code} {text:?}"
    );
    assert!(fault.may_give(code, &text), "{context}: {code} {text:?}");
    code
}

/// Ends a transaction that an error left open.
pub fn roll_back(connection: &Connection, context: &str) {
    if !connection.is_autocommit() {
        connection
            .execute_batch("ROLLBACK")
            .unwrap_or_else(|error| panic!("{context}: {error}"));
    }
}

/// Runs the scenario with the n-th occasion going wrong. Without one it counts them.
pub fn attempt(reference: &Reference, mode: Mode, fault: &dyn Fault, n: Option<u64>) -> Figures {
    let context = format!(
        "{}, {}, {}/{}, {n:?}",
        reference.scenario.name,
        fault.name(),
        mode.journal,
        mode.synchronous
    );
    let mut figures = Figures {
        attempts: 1,
        ..Figures::default()
    };
    let blocks = allocator::blocks();
    let mut rig = Rig::open(reference.files(mode), mode);
    fault.arm(&mut rig, n.unwrap_or(u64::MAX));
    let mut outcome = Ok(());
    let mut done = 0;
    for step in &reference.scenario.steps {
        outcome = step.run(&rig.connection);
        assert!(
            rig.connection.is_autocommit() || step.has_begin || step.parts.len() > 1,
            "{context}, step {done}: a transaction is left open: {outcome:?}"
        );
        if outcome.is_err() {
            break;
        }
        done += 1;
    }
    if outcome.is_err() && !rig.connection.is_autocommit() {
        // While things still go wrong, where they do.
        drop(rig.connection.execute_batch("ROLLBACK"));
    }
    let (seen, fired) = fault.disarm(&mut rig);
    roll_back(&rig.connection, &context);
    figures.injected = u64::from(fired > 0);
    if n.is_none() {
        figures.occasions = seen;
        outcome
            .as_ref()
            .unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    match &outcome {
        Ok(()) => {}
        Err(error) => {
            figures.errors = 1;
            assert!(fired > 0, "{context}: {error}");
            let code = assert_clean(error, fault, &format!("{context}, step {done}"));
            *figures.codes.entry(code).or_default() += 1;
        }
    }
    let last = done + usize::from(outcome.is_err());
    let place = reference.place(
        &rig.connection,
        done..=last,
        &format!("{context}: {outcome:?}"),
    );
    figures.done = u64::from(place > done);
    reference.go_on(&rig.connection, place, &context);
    let Rig {
        connection,
        mounted,
    } = rig;
    connection
        .close()
        .unwrap_or_else(|(_, error)| panic!("{context}: a statement is left: {error}"));
    drop(mounted);
    assert_eq!(
        allocator::blocks(),
        blocks,
        "{context}: memory that is not freed"
    );
    figures
}

/// Runs the scenario as an application that goes on after every error, with the n-th occasion going wrong. What is
/// committed then is none of the states, but it is sound.
pub fn go_on_regardless(reference: &Reference, mode: Mode, fault: &dyn Fault, n: u64) -> Figures {
    let context = format!(
        "{}, {}, {}, {n}, going on",
        reference.scenario.name,
        fault.name(),
        mode.journal
    );
    let mut figures = Figures {
        attempts: 1,
        ..Figures::default()
    };
    let mut rig = Rig::open(reference.files(mode), mode);
    fault.arm(&mut rig, n);
    for step in &reference.scenario.steps {
        let errors = step.run_on(&rig.connection);
        figures.errors += errors.len() as u64;
        for error in errors {
            let (code, text) = code_and_text(&error);
            assert!(!text.contains("internal error"), "{context}: {code} {text}");
            *figures.codes.entry(code).or_default() += 1;
        }
        if !rig.connection.is_autocommit() {
            drop(rig.connection.execute_batch("ROLLBACK"));
        }
    }
    let (_, fired) = fault.disarm(&mut rig);
    figures.injected = u64::from(fired > 0);
    roll_back(&rig.connection, &context);
    check_whole(&rig.connection, &context);
    let write = "REPLACE INTO t(k, b) VALUES (901, 'after'); UPDATE t SET b = 'after' WHERE k < 5";
    rig.connection
        .execute_batch(write)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    check_whole(&rig.connection, &context);
    figures
}

/// How many faults of one kind are injected into one scenario: `CRSQL_FAULTS`, a number or `all`.
pub fn budget(usual: u64) -> u64 {
    match std::env::var("CRSQL_FAULTS").as_deref() {
        Ok("all") => u64::MAX,
        Ok(number) => number.parse().expect("CRSQL_FAULTS is a number or all"),
        Err(_) => usual,
    }
}

/// At most `budget` of the numbers from 1 to `occasions`, evenly.
pub fn chosen(occasions: u64, budget: u64) -> Vec<u64> {
    if occasions <= budget {
        return (1..=occasions).collect();
    }
    let middle = occasions / budget / 2;
    (0..budget)
        .map(|index| 1 + index * occasions / budget + middle)
        .collect()
}

/// All scenarios, with what they give without faults.
pub fn references() -> &'static [Reference] {
    static ALL: LazyLock<Vec<Reference>> = LazyLock::new(|| {
        let only = std::env::var("CRSQL_FAULTS_SCENARIO").unwrap_or_default();
        let scenarios = scenarios::all().into_iter();
        let chosen = scenarios.filter(|scenario| scenario.name.contains(&only));
        chosen.map(Reference::new).collect()
    });
    &ALL
}

/// Injects faults into all scenarios, one in each run, in every mode given. In each scenario as many must happen as
/// there are occasions for, and be errors once at least; in all, so many in a hundred must be errors.
pub fn survey(faults: &[&dyn Fault], modes: &[Mode], usual: u64, errors_percent: u64) {
    for fault in faults {
        let mut all = Vec::new();
        for reference in references() {
            let mut sum = Figures::default();
            for mode in modes {
                let occasions = attempt(reference, *mode, *fault, None).occasions;
                sum.occasions += occasions;
                for n in chosen(occasions, budget(usual)) {
                    sum.add(&attempt(reference, *mode, *fault, Some(n)));
                }
            }
            let context = format!("{}, {}: {sum:?}", reference.scenario.name, fault.name());
            assert!(is_reached(&sum), "{context}");
            assert!(sum.errors > 0 || errors_percent == 0, "{context}");
            all.push((reference.scenario.name, sum));
        }
        let sum = report(&fault.name(), &all);
        assert!(
            sum.errors * 100 >= sum.injected * errors_percent,
            "{}: {sum}",
            fault.name()
        );
    }
}

/// The same for applications that go on after an error.
pub fn survey_regardless(fault: &dyn Fault, usual: u64) {
    let mut all = Vec::new();
    // What was taken over says less than a row has, and what is not mended, or not made replicated, stays so.
    let is_checked = |reference: &&Reference| {
        let is_left = ["adopt", "alter", "as_table and ordered"].contains(&reference.scenario.name);
        reference.scenario.is_rebuilt && !is_left
    };
    for reference in references().iter().filter(is_checked) {
        let mode = MODES[1];
        let mut sum = Figures {
            occasions: attempt(reference, mode, fault, None).occasions,
            ..Figures::default()
        };
        for n in chosen(sum.occasions, budget(usual)) {
            sum.add(&go_on_regardless(reference, mode, fault, n));
        }
        let context = format!("{}, {}: {sum:?}", reference.scenario.name, fault.name());
        assert!(is_reached(&sum) && sum.errors > 0, "{context}");
        all.push((reference.scenario.name, sum));
    }
    report(&format!("{}, going on", fault.name()), &all);
}

/// Whether the faults happened: all but a few, as runs differ by a few occasions; of ten or more all but one.
pub fn is_reached(figures: &Figures) -> bool {
    let missed_max = (figures.attempts / 20).max(u64::from(figures.attempts >= 10));
    figures.injected > 0 && figures.injected + missed_max >= figures.attempts
}

/// Shows the figures, and gives their sum.
pub fn report(kind: &str, all: &[(&str, Figures)]) -> Figures {
    let mut sum = Figures::default();
    for (name, figures) in all {
        println!("{kind}: {name}: {figures}");
        sum.add(figures);
    }
    println!("{kind}: in all {sum}");
    sum
}
