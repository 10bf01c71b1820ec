//! Runs every `tests/sql/*.sql` through the `sqlite3` shell and compares what it prints, errors
//! included, with the `.expected` file beside it.
//!
//! The scripts are the user-facing documentation of each behaviour, so they say `.load ./crsql` as a
//! user would; each runs in an otherwise empty directory in which that works, and `.read include/...`
//! too. Wording that belongs to the shell, and changes between its versions, is taken out before
//! comparing; the texts of the extension stay.
//! `UPDATE_EXPECTED=1 cargo test --test sql_scripts` writes the files anew, for review as code;
//! `SQLITE3` names another shell.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/shell.rs"]
mod shell;

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn every_script_prints_what_is_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let scripts = files_with_extension(&directory, "sql");
    assert!(!scripts.is_empty(), "no scripts in {}", directory.display());

    let update = env::var_os("UPDATE_EXPECTED").is_some();
    let mut failures = String::new();
    for script in &scripts {
        let printed = shell::without_shell_wording(&run(script));
        let expected_path = script.with_extension("expected");
        if update {
            fs::write(&expected_path, printed).expect("write the expected output");
            continue;
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if printed != expected {
            let name = script.file_name().unwrap_or_default().to_string_lossy();
            writeln!(failures, "\n{name}  (- expected, + printed)").expect("write to a string");
            failures.push_str(&difference(&expected, &printed));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_expected_file_has_a_script() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    for expected in files_with_extension(&directory, "expected") {
        let script = expected.with_extension("sql");
        assert!(script.exists(), "{} is missing", script.display());
    }
}

fn files_with_extension(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("read tests/sql")
        .map(|entry| entry.expect("read an entry of tests/sql").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// What the shell prints for one script, both streams in the order of writing.
fn run(script: &Path) -> String {
    let directory = support::scratch_dir_with_extension();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/include");
    std::os::unix::fs::symlink(include, directory.join("include"))
        .expect("link the include directory");
    let output_path = directory.join("output");
    let output = File::create(&output_path).expect("create the output file");
    let status = Command::new(support::sqlite3_shell())
        .args(["-batch", "-init", "/dev/null", ":memory:"])
        .current_dir(&directory)
        .stdin(File::open(script).expect("open the script"))
        .stdout(Stdio::from(
            output.try_clone().expect("share the output file"),
        ))
        .stderr(Stdio::from(output))
        .status()
        .expect("start the sqlite3 shell");
    let printed = fs::read(&output_path).expect("read what the shell printed");
    let mut printed = String::from_utf8_lossy(&printed).into_owned();
    if status.code().is_none() {
        writeln!(printed, "the shell died: {status}").expect("write to a string");
    }
    printed
}

/// A line diff: common lines near a difference are shown for orientation, others are left out.
fn difference(expected: &str, printed: &str) -> String {
    const CONTEXT_LINES: usize = 2;
    let old: Vec<&str> = expected.lines().collect();
    let new: Vec<&str> = printed.lines().collect();
    let lines = diff_lines(&old, &new);
    let is_near_change = |index: usize| {
        let from = index.saturating_sub(CONTEXT_LINES);
        let to = (index + CONTEXT_LINES + 1).min(lines.len());
        lines[from..to].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut skipping = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        if is_near_change(index) {
            writeln!(text, "  {mark} {line}").expect("write to a string");
            skipping = false;
        } else if !skipping {
            text.push_str("  ...\n");
            skipping = true;
        }
    }
    text
}

/// The shortest edit between two lists of lines, by the table of longest common subsequences.
fn diff_lines<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}
