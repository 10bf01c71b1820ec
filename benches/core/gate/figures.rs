//! The committed figures: a text file of versions and counts, and how two of them compare.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// What a count depends on beside the source: the name of each part and its version.
pub struct Versions(BTreeMap<String, String>);

impl Versions {
    pub fn of_this_machine() -> Outcome<Self> {
        let mut versions = BTreeMap::new();
        for (name, program) in [
            ("rustc", "rustc"),
            ("C compiler", "cc"),
            ("valgrind", "valgrind"),
        ] {
            versions.insert(name.to_owned(), first_line(program)?);
        }
        versions.insert("SQLite".to_owned(), rusqlite::version().to_owned());
        versions.insert("machine".to_owned(), std::env::consts::ARCH.to_owned());
        Ok(Self(versions))
    }

    /// One text for each part whose version is not the same.
    pub fn differences(&self, now: &Versions) -> Vec<String> {
        let mut found = Vec::new();
        for (name, version) in &now.0 {
            let recorded = self.0.get(name).map_or("nothing", String::as_str);
            if recorded != version {
                found.push(format!(
                    "{name} is {version}, the figures are of {recorded}"
                ));
            }
        }
        found
    }
}

fn first_line(program: &str) -> Outcome<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run {program} ({error}): scripts/setup.sh installs it"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Counted instructions by workload, in the order of the workloads.
pub struct Figures {
    pub versions: Versions,
    pub counts: Vec<(String, u64)>,
}

const HEADER: &str = "# Instructions of small fixed workloads. Written by `make gate-record`, compared by `make gate`.\n";

impl Figures {
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let mut text = HEADER.to_owned();
        for (name, version) in &self.versions.0 {
            writeln!(text, "{name}: {version}")?;
        }
        text.push('\n');
        for (title, count) in &self.counts {
            writeln!(text, "{count:>12} {title}")?;
        }
        Ok(std::fs::write(path, text)?)
    }

    pub fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}: run `make gate-record`", path.display()))?;
        let mut versions = BTreeMap::new();
        let mut counts = Vec::new();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some((name, version)) = line.split_once(": ") {
                versions.insert(name.to_owned(), version.to_owned());
                continue;
            }
            let figure = line
                .split_once(' ')
                .and_then(|(count, title)| Some((title.to_owned(), count.parse().ok()?)));
            counts.push(figure.ok_or_else(|| format!("{}: not a figure: {line}", path.display()))?);
        }
        Ok(Self {
            versions: Versions(versions),
            counts,
        })
    }
}

/// The outcome of a comparison.
pub struct Report {
    pub table: String,
    pub failed: usize,
    pub faster: usize,
}

/// Compares workload by workload. Slower than the tolerance fails, and so does a workload that only one side has.
pub fn compare(committed: &Figures, now: &Figures, tolerance: f64) -> Report {
    let mut report = Report {
        table: format!(
            "{:50} {:>12} {:>12} {:>8}\n",
            "instructions", "committed", "now", ""
        ),
        failed: 0,
        faster: 0,
    };
    let before: BTreeMap<&str, u64> = by_title(committed);
    let after: BTreeMap<&str, u64> = by_title(now);
    for (title, count) in &now.counts {
        let line = match before.get(title.as_str()) {
            None => {
                report.failed += 1;
                format!(
                    "{:>12} {count:>12} {:>8}  NEW: run `make gate-record`",
                    "", ""
                )
            }
            Some(figure) => {
                let change = *count as f64 / *figure as f64 - 1.0;
                let verdict = match change {
                    _ if change > tolerance => {
                        report.failed += 1;
                        "  SLOWER"
                    }
                    _ if change < -tolerance => {
                        report.faster += 1;
                        "  faster"
                    }
                    _ => "",
                };
                format!(
                    "{figure:>12} {count:>12} {:>+7.1}%{verdict}",
                    change * 100.0
                )
            }
        };
        report.table.push_str(&format!("{title:50} {line}\n"));
    }
    for (title, figure) in &committed.counts {
        if !after.contains_key(title.as_str()) {
            report.failed += 1;
            report.table.push_str(&format!(
                "{title:50} {figure:>12} {:>12} {:>8}  GONE: run `make gate-record`\n",
                "", ""
            ));
        }
    }
    report
}

fn by_title(figures: &Figures) -> BTreeMap<&str, u64> {
    figures
        .counts
        .iter()
        .map(|(title, count)| (title.as_str(), *count))
        .collect()
}
