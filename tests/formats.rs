//! Files and messages of every format that was ever released: they are read for ever.
//!
//! `tests/fixtures/formats` has one directory for each set of format numbers; `scripts/make-format-fixture` makes
//! that of the present ones. A released one is never made again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "formats/make.rs"]
mod make;
#[path = "formats/open.rs"]
mod open;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use checks::{exec, one, rows};
use support::{open_memory, scratch_dir};

/// The numbers of all formats that stay somewhere or travel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Formats {
    layout: i64,
    record: u8,
    changeset: u8,
    message: u8,
}

impl Formats {
    /// Those that the extension under test writes.
    fn written() -> Self {
        let connection = open_memory();
        exec(
            &connection,
            "CREATE TABLE t(k INTEGER PRIMARY KEY, a); SELECT crsql_as_crr('t');
             INSERT INTO t VALUES (1, 1); UPDATE t SET a = 2",
        );
        let first_byte = |sql: &str| one::<Vec<u8>>(&connection, sql)[0];
        Self {
            layout: one(
                &connection,
                "SELECT value FROM crsql_master WHERE key = 'crsql_format'",
            ),
            record: first_byte("SELECT clock FROM crsql_rows_1"),
            changeset: first_byte("SELECT substr(crsql_changeset(0), 5)"),
            message: first_byte("SELECT crsql_reconcile()"),
        }
    }

    /// The name of their directory.
    fn directory(&self) -> String {
        let Self {
            layout,
            record,
            changeset,
            message,
        } = self;
        format!("layout-{layout}.record-{record}.changeset-{changeset}.message-{message}")
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats")
}

/// The directories of all formats.
fn all_fixtures() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(fixtures())
        .expect("tests/fixtures/formats")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}

/// Each query with its rows, as text.
fn report(connection: &Connection, queries: &[&str]) -> String {
    let mut text = String::new();
    for query in queries {
        text.push_str(&format!("-- {query}\n"));
        for row in rows(connection, query) {
            let values: Vec<String> = row.iter().map(shown).collect();
            text.push_str(&values.join(" | "));
            text.push('\n');
        }
    }
    text
}

/// A new format number needs a fixture of its own, beside those of the former ones.
#[test]
fn what_is_written_today_has_a_fixture() {
    let written = fixtures().join(Formats::written().directory());
    assert!(
        written.is_dir(),
        "{} is missing: run scripts/make-format-fixture",
        written.display()
    );
}

/// Makes the fixture of the present formats. It replaces none: what was written once stays.
#[test]
fn make_the_fixture() {
    let directory = scratch_dir();
    make::fixture(&directory);
    let is_asked = std::env::var_os("CRSQL_MAKE_FIXTURE").is_some();
    if is_asked {
        let target = fixtures().join(Formats::written().directory());
        std::fs::create_dir(&target)
            .unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        for entry in std::fs::read_dir(&*directory).expect("the files") {
            let entry = entry.expect("a file");
            std::fs::copy(entry.path(), target.join(entry.file_name())).expect("copy");
        }
    }
    // What the script would write today is read as well.
    open::everything(&directory);
}
