//! A real cr-sqlite: what it wrote, what it sent, and what it held after it merged what crsql had sent.
//!
//! `scripts/crsqlite/run fixtures` lets the two write and exchange changes and records it. Here crsql goes through the
//! same sessions again: it must send what cr-sqlite took then, and hold in the end what cr-sqlite held. The databases
//! of cr-sqlite are taken over by `crsql_upgrade`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use checks::{check_partial, exec, one, rows};
use support::{open, open_memory, scratch_dir};

const SCHEMA: &str = "
    CREATE TABLE a(k INTEGER PRIMARY KEY NOT NULL, x, y);
    CREATE TABLE b(p TEXT NOT NULL, q INT NOT NULL, v, PRIMARY KEY(p, q));
    CREATE TABLE c(k BLOB PRIMARY KEY NOT NULL);
    CREATE TABLE d(k PRIMARY KEY NOT NULL, v TEXT DEFAULT 'd', r REAL);
    SELECT crsql_as_crr('a'); SELECT crsql_as_crr('b'); SELECT crsql_as_crr('c'); SELECT crsql_as_crr('d')";

const ALL: [&str; 4] = ["a", "b", "c", "d"];

/// What the script records as well.
const TABLES: &str = "
    SELECT 'a', quote(k), quote(x), quote(y) FROM a UNION ALL
    SELECT 'b', quote(p), quote(q), quote(v) FROM b UNION ALL
    SELECT 'c', quote(k), '', '' FROM c UNION ALL
    SELECT 'd', quote(k), quote(v), quote(r) FROM d ORDER BY 1, 2, 3, 4";
const CLOCKS: &str = "
    SELECT \"table\", hex(pk), cid, quote(val), col_version, cl FROM crsql_changes
    WHERE NOT (cid = '-1' AND cl = 1) ORDER BY 1, 2, 3";

/// A change as an INSERT, but for its author.
const SENT: &str = "
    SELECT 'INSERT INTO crsql_changes VALUES (' || quote(\"table\") || ', ' || quote(pk) || ', ' || quote(cid) || ', '
        || quote(val) || ', ' || quote(col_version) || ', ' || quote(db_version) || ', ', ', '
        || quote(cl) || ', ' || quote(seq) || ');' FROM crsql_changes WHERE db_version > ?1";

fn fixtures(extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/crsqlite");
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("tests/fixtures/crsqlite")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    assert!(found.len() > 3, "{} fixtures", found.len());
    found
}

/// The sections of a record, by name, in order.
fn sections(path: &Path) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(path).expect("a record");
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("== "), found.last_mut()) {
            (Some(name), _) => found.push((name.to_owned(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line.to_owned()),
            (None, None) => panic!("{line}"),
        }
    }
    found
}

fn lines(connection: &Connection, query: &str) -> Vec<String> {
    let shown = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    rows(connection, query)
        .iter()
        .map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|"))
        .collect()
}

/// What is sent, each change without its author: that is another one in each run.
fn sent(connection: &Connection, since: i64) -> Vec<(String, String)> {
    connection
        .prepare(SENT)
        .and_then(|mut statement| {
            statement
                .query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .expect("changes")
}

/// An INSERT of the record without its author: the last BLOB of 16 bytes in it.
fn without_author(line: &str) -> (String, String) {
    let at = line.rfind("X'").expect("an author");
    let end = at + "X''".len() + 32;
    (line[..at].to_owned(), line[end..].to_owned())
}

#[test]
fn recorded_sessions_with_a_real_crsqlite_end_the_same() {
    for path in fixtures("session") {
        let here = open_memory();
        exec(&here, SCHEMA);
        let (mut since, mut exchanges, mut changes) = (0, 0, 0);
        for (name, content) in sections(&path) {
            let context = format!("{}, exchange {exchanges}: {name}", path.display());
            match name.as_str() {
                "theirs writes" => {}
                "ours writes" => exec(&here, &content.join("\n")),
                "ours sends news" | "ours sends all" => {
                    let expected: Vec<_> =
                        content.iter().map(|line| without_author(line)).collect();
                    assert_eq!(sent(&here, since), expected, "{context}");
                    changes += content.len();
                    if name.ends_with("news") {
                        since = one(&here, "SELECT crsql_db_version()");
                    }
                }
                "theirs sends" => {
                    exec(&here, &format!("BEGIN; {} COMMIT", content.join("\n")));
                    changes += content.len();
                    exchanges += 1;
                }
                "theirs holds tables" => assert_eq!(lines(&here, TABLES), content, "{context}"),
                // Versions are compared where both sides count alike: no row was replaced or moved.
                "theirs holds clocks" if path.to_string_lossy().contains("news-") => {
                    assert_eq!(lines(&here, CLOCKS), content, "{context}");
                }
                "theirs holds clocks" => {}
                other => panic!("{other}"),
            }
        }
        assert!(
            exchanges > 4 && changes > 40,
            "{exchanges} exchanges, {changes} changes"
        );
        drop(check_partial(&here, &ALL));
    }
}

#[test]
fn a_real_database_of_crsqlite_is_taken_over() {
    for path in fixtures("db") {
        let context = path.display().to_string();
        let directory = scratch_dir();
        let copy = directory.join("taken-over.db");
        std::fs::copy(&path, &copy).expect("copy");
        let here = open(&copy);
        one::<String>(&here, "SELECT crsql_upgrade()");
        let noted = sections(&path.with_extension("state"));
        let noted = |name: &str| {
            let section = noted.iter().find(|(found, _)| found == name);
            section.map(|(_, lines)| lines.clone()).expect("a section")
        };
        assert_eq!(
            lines(&here, "SELECT quote(crsql_site_id())"),
            noted("site"),
            "{context}"
        );
        assert_eq!(
            lines(&here, "SELECT crsql_db_version()"),
            noted("version"),
            "{context}"
        );
        assert_eq!(lines(&here, TABLES), noted("tables"), "{context}");
        // All but the seq, which is unique here.
        let whole = format!("SELECT {} FROM crsql_changes", INSERT);
        let without_seq = |line: &String| line[..line.rfind(", ").expect("a seq")].to_owned();
        let found: BTreeSet<String> = lines(&here, &whole).iter().map(without_seq).collect();
        let expected: BTreeSet<String> = noted("changes").iter().map(without_seq).collect();
        assert_eq!(found, expected, "{context}");

        // What it sent before is known, and it goes on.
        exec(&here, &format!("BEGIN; {}", noted("changes").join("\n")));
        assert_eq!(
            one::<i64>(&here, "SELECT crsql_rows_impacted()"),
            0,
            "{context}"
        );
        exec(
            &here,
            "COMMIT; UPDATE a SET x = 'here'; INSERT OR REPLACE INTO b VALUES ('m', 1, 'here');
             DELETE FROM c; INSERT INTO c VALUES (x'01'); UPDATE d SET k = 'moved' WHERE k = 'k'",
        );
        let version: i64 = noted("version")[0].parse().expect("a version");
        assert!(
            one::<i64>(&here, "SELECT crsql_db_version()") > version,
            "{context}"
        );
        drop(check_partial(&here, &ALL));
    }
}

/// A change as the script records it.
const INSERT: &str = "'INSERT INTO crsql_changes VALUES (' || quote(\"table\") || ', ' || quote(pk) || ', ' || quote(cid)
    || ', ' || quote(val) || ', ' || quote(col_version) || ', ' || quote(db_version) || ', ' || quote(site_id) || ', '
    || quote(cl) || ', ' || quote(seq) || ');'";
