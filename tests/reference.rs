//! Runs the examples of docs/reference.md and compares what they print with what it shows.
//!
//! Each ```sql block runs in a shell of its own, on an empty database in which the extension is loaded; the
//! ```text block behind it is all that it prints. `UPDATE_EXPECTED=1` writes those anew, for review. Every
//! name of the extension has an entry.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "support/shell.rs"]
mod shell;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Called by triggers only.
const INTERNAL: &str = "crsql_capture_";

/// Called by triggers of cr-sqlite only.
const REPLACED: [&str; 5] = [
    "crsql_after_insert",
    "crsql_after_update",
    "crsql_after_delete",
    "crsql_nextdbversion",
    "crsql_update_site_id",
];

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md")
}

fn reference() -> String {
    fs::read_to_string(path()).expect("read docs/reference.md")
}

/// What the shell prints for one example, both streams in the order of writing.
fn run(sql: &str) -> String {
    let directory = support::scratch_dir_with_extension();
    let mut shell = Command::new("sh")
        .args(["-c", "exec \"$0\" -batch -init /dev/null :memory: 2>&1"])
        .arg(support::sqlite3_shell())
        .current_dir(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the sqlite3 shell");
    let mut input = shell.stdin.take().expect("the shell's input");
    write!(input, ".load ./crsql\n{sql}").expect("write to the shell");
    drop(input);
    let output = shell.wait_with_output().expect("wait for the shell");
    shell::without_shell_wording(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn every_example_prints_what_is_shown() {
    let update = env::var_os("UPDATE_EXPECTED").is_some();
    let text = reference();
    let mut renewed = String::new();
    let mut rest = text.as_str();
    let mut examples = 0;
    while let Some((before, behind)) = rest.split_once("```sql\n") {
        let (sql, behind) = behind.split_once("```\n").expect("the end of an example");
        let behind = behind
            .strip_prefix("\n```text\n")
            .unwrap_or_else(|| panic!("no output behind\n{sql}"));
        let end = if behind.starts_with("```") {
            0
        } else {
            behind.find("\n```").expect("the end of an output") + 1
        };
        let (shown, behind) = behind.split_at(end);
        let printed = run(sql);
        assert!(
            update || printed == shown,
            "{sql}\nprints\n{printed}\nnot\n{shown}"
        );
        renewed.push_str(&format!("{before}```sql\n{sql}```\n\n```text\n{printed}"));
        rest = behind;
        examples += 1;
    }
    renewed.push_str(rest);
    if update {
        fs::write(path(), renewed).expect("write docs/reference.md");
    }
    assert!(examples > 20, "only {examples} examples");
}

#[test]
fn every_name_has_an_entry_with_an_example() {
    let text = reference();
    let entries: Vec<&str> = text.split("\n### ").skip(1).collect();
    let names: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.lines().next().unwrap_or_default())
        .collect();
    for entry in &entries {
        assert!(entry.contains("```sql\n"), "no example: {entry}");
    }
    let connection = support::open_memory();
    let registered = checks::rows(
        &connection,
        "SELECT DISTINCT name FROM pragma_function_list WHERE name LIKE 'crsql\\_%' ESCAPE '\\'
         UNION SELECT name FROM pragma_module_list WHERE name LIKE 'crsql\\_%' ESCAPE '\\' OR name = 'clset'
         UNION SELECT name FROM sqlite_master WHERE type = 'view'",
    );
    assert!(registered.len() > 20);
    for row in registered {
        let rusqlite::types::Value::Text(name) = &row[0] else {
            panic!("a name is a text");
        };
        let is_internal = name.starts_with(INTERNAL)
            || ["crsql_transaction", "crsql_check_keys"].contains(&name.as_str())
            || REPLACED.contains(&name.as_str());
        assert!(
            is_internal || names.contains(name.as_str()),
            "{name} is not in docs/reference.md"
        );
    }
}

#[test]
fn the_list_at_the_top_leads_to_every_entry() {
    let text = reference();
    for entry in text.split("\n### ").skip(1) {
        let name = entry.lines().next().unwrap_or_default();
        assert!(
            text.contains(&format!("[{name}](#{name})")),
            "no link to {name}"
        );
    }
    for link in text.split("](").skip(1) {
        let target = link.split(')').next().unwrap_or_default();
        match target.strip_prefix('#') {
            Some(name) => assert!(text.contains(&format!("\n### {name}\n")), "no entry {name}"),
            None => {
                let file = target.split('#').next().unwrap_or_default();
                let file = path().with_file_name(file);
                assert!(file.exists(), "docs/reference.md links to {target}");
            }
        }
    }
}
