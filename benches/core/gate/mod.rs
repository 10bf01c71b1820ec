//! The regression gate: instructions of small fixed workloads, counted by callgrind, against committed figures.
//!
//! A busy machine changes times, not instructions. Each workload runs in a process of its own under valgrind, and only
//! what `measured` calls is counted: neither set-up nor SQLite's start. `record` writes the figures anew; `check` fails
//! if a workload takes more than the tolerance over its figure, or if workloads and figures are not the same set.

mod figures;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Outcome;
use crate::settings::Settings;
use figures::{Figures, Versions};
use workloads::WORKLOADS;

/// Upper bound of now over committed: above what two builds of one source and two machines differ by.
const TOLERANCE: f64 = 0.03;
/// The same if compiler, SQLite or valgrind are not those of the figures. Theirs alone shift a count by some percent.
const TOLERANCE_OTHER_VERSIONS: f64 = 0.15;
/// Workloads that run at the same time.
const PROCESSES: usize = 2;

/// The only thing that callgrind counts, together with what it calls. Its name is an argument of valgrind's.
#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn crsql_gate_measured(work: &mut dyn FnMut()) {
    work();
    // Keeps the call from becoming a jump, which would leave this function early.
    std::hint::black_box(());
}

/// Whether the figures are compared or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Check,
    Record,
}

fn figures_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gate.txt")
}

/// One workload in this process, which valgrind started.
pub fn run_one(settings: &Settings, name: &str) -> Outcome<()> {
    let Some(workload) = WORKLOADS.iter().find(|workload| workload.title() == name) else {
        return Err(format!("no workload of the gate is named {name}").into());
    };
    let mut work = workload.prepare(settings)?;
    let mut outcome = Ok(());
    crsql_gate_measured(&mut || outcome = work());
    outcome
}

pub fn run(settings: &Settings, mode: Mode) -> Outcome<()> {
    let versions = Versions::of_this_machine()?;
    let now = Figures {
        versions,
        counts: count_all(settings)?,
    };
    match mode {
        Mode::Record => {
            now.write(&figures_path())?;
            println!("Wrote {} figures to benches/gate.txt.", now.counts.len());
            Ok(())
        }
        Mode::Check => check(&Figures::read(&figures_path())?, &now),
    }
}

fn check(committed: &Figures, now: &Figures) -> Outcome<()> {
    let differences = committed.versions.differences(&now.versions);
    let tolerance = match differences.is_empty() {
        true => TOLERANCE,
        false => TOLERANCE_OTHER_VERSIONS,
    };
    for difference in &differences {
        println!("Other than recorded: {difference}");
    }
    if !differences.is_empty() {
        println!(
            "Counts of other versions differ: only what is {:.0} % above its figure counts as slower. Where these versions \
             are to stay, run `make gate-record` on the commit before the change in question.\n",
            tolerance * 100.0
        );
    }
    let report = figures::compare(committed, now, tolerance);
    println!("{}", report.table);
    if report.faster > 0 {
        println!(
            "{} faster by more than {:.0} %: run `make gate-record` and commit benches/gate.txt, so that it stays so.",
            report.faster,
            tolerance * 100.0
        );
    }
    if report.failed > 0 {
        return Err(format!(
            "{} of {} workloads fail the gate (tolerance {:.0} %). If the change is worth it, run `make gate-record`, and \
             say in the commit why.",
            report.failed,
            now.counts.len(),
            tolerance * 100.0
        )
        .into());
    }
    println!(
        "The gate passes: {} workloads within {:.0} %.",
        now.counts.len(),
        tolerance * 100.0
    );
    Ok(())
}

/// A workload under valgrind, and where its count will be.
struct Counting {
    title: String,
    child: Child,
    out: PathBuf,
}

impl Counting {
    fn start(settings: &Settings, title: String, number: usize) -> Outcome<Self> {
        let out = settings.directory.join(format!("callgrind.{number}"));
        let log = std::fs::File::create(settings.directory.join(format!("log.{number}")))?;
        let child = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg("--toggle-collect=crsql_gate_measured")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(["child", "gate", &title])
            .env("CRSQL_BENCH_DIRECTORY", &settings.directory)
            .env("CRSQL_EXTENSION", &settings.extension)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| {
                format!("cannot start valgrind ({error}): scripts/setup.sh installs it")
            })?;
        Ok(Self { title, child, out })
    }

    fn finish(mut self) -> Outcome<(String, u64)> {
        let status = self.child.wait()?;
        if !status.success() {
            let log = self.out.to_string_lossy().replace("callgrind.", "log.");
            let text = std::fs::read_to_string(log)?;
            return Err(format!("{} ended with {status}:\n{text}", self.title).into());
        }
        let text = std::fs::read_to_string(&self.out)?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("summary:"))
            .and_then(|count| count.trim().parse().ok())
            .filter(|count| *count > 0)
            .ok_or_else(|| format!("callgrind counted nothing for {}", self.title))?;
        Ok((self.title, count))
    }
}

fn count_all(settings: &Settings) -> Outcome<Vec<(String, u64)>> {
    let mut waiting = WORKLOADS.iter().enumerate();
    let mut running = std::collections::VecDeque::new();
    let mut counts = Vec::new();
    loop {
        while running.len() < PROCESSES {
            let Some((number, workload)) = waiting.next() else {
                break;
            };
            running.push_back(Counting::start(settings, workload.title(), number)?);
        }
        match running.pop_front() {
            Some(counting) => counts.push(counting.finish()?),
            None => return Ok(counts),
        }
    }
}
