//! An upgrade that is stopped halfway leaves the file as it was.

use super::{ALL_CHANGES, EXPECTED, FIXTURES, made, make, upgrade};
use crate::checks::{exec, quoted, refusal, rows};
use crate::support::{load, scratch_dir};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything that the file holds.
fn dump(connection: &Connection) -> Vec<Vec<Vec<Value>>> {
    let tables = rows(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY name",
    );
    let mut all = vec![rows(
        connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
    )];
    for table in tables {
        let [Value::Text(name)] = &table[..] else {
            panic!("no name in {table:?}");
        };
        all.push(rows(connection, &format!("SELECT * FROM {}", quoted(name))));
    }
    all
}

#[test]
fn an_interrupt_at_any_moment_leaves_everything_as_it_was() {
    for (files, ..) in FIXTURES {
        let mut connection = made(files);
        let before = dump(&connection);
        let mut limit = 1;
        let mut interrupts = 0;
        loop {
            let steps = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&steps);
            // Once, so that undoing is not interrupted as well.
            connection
                .progress_handler(
                    1,
                    Some(move || counter.fetch_add(1, Ordering::Relaxed) == limit),
                )
                .expect("set the progress handler");
            let outcome = connection.query_row("SELECT crsql_upgrade()", [], |_| Ok(()));
            connection
                .progress_handler(0, None::<fn() -> bool>)
                .expect("remove the progress handler");
            if outcome.is_ok() {
                break;
            }
            interrupts += 1;
            assert!(connection.is_autocommit(), "{files:?} {limit}");
            assert_eq!(dump(&connection), before, "{files:?} {limit}");
            limit += 1 + limit / 12;
        }
        assert!(interrupts > 50, "{files:?}: {interrupts}");
        assert_eq!(
            rows(&connection, ALL_CHANGES),
            rows(&connection, EXPECTED),
            "{files:?}"
        );
    }
}

/// The bytes of a file, but for the counter of its transactions, which counts failed ones too.
fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("read the file");
    bytes[24..28].fill(0);
    bytes[92..96].fill(0);
    bytes
}

#[test]
fn a_full_disk_leaves_every_byte_as_it_was() {
    let directory = scratch_dir();
    let path = directory.join("old.db");
    make(&path, &["u16.sql"]);
    let before = bytes(&path);
    let connection = Connection::open(&path).expect("open the file");
    load(&connection).expect("load the extension");
    let pages: i64 = crate::checks::one(&connection, "PRAGMA page_count");
    let mut failures = 0;
    for more in 0..100 {
        let limit: i64 = crate::checks::one(
            &connection,
            &format!("PRAGMA max_page_count = {}", pages + more),
        );
        assert_eq!(limit, pages + more);
        let outcome =
            connection.query_row("SELECT crsql_upgrade()", [], |row| row.get::<_, String>(0));
        if outcome.is_ok() {
            break;
        }
        failures += 1;
        assert!(bytes(&path) == before, "{more} pages more");
    }
    assert!(failures > 3, "{failures}");
    assert_eq!(rows(&connection, ALL_CHANGES), rows(&connection, EXPECTED));
}

#[test]
fn damage_in_the_last_table_leaves_the_first_as_they_were() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TABLE z (k INTEGER PRIMARY KEY NOT NULL, a); INSERT INTO z VALUES (1, 1);
         CREATE TABLE z__crsql_clock (key INTEGER, col_name TEXT, col_version, db_version INTEGER,
             site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER, PRIMARY KEY (key, col_name)) WITHOUT ROWID;
         CREATE TABLE z__crsql_pks (__crsql_key INTEGER PRIMARY KEY, k); INSERT INTO z__crsql_pks VALUES (1, 1);
         INSERT INTO z__crsql_clock VALUES (1, 'a', 'one', 1, 0, 0)",
    );
    let before = dump(&connection);
    let text = refusal(&connection, "SELECT crsql_upgrade()");
    assert!(
        text.contains("table \"z__crsql_clock\" holds a counter"),
        "{text}"
    );
    assert_eq!(dump(&connection), before);
    exec(&connection, "UPDATE z__crsql_clock SET col_version = 1");
    upgrade(&connection);
}

#[test]
fn a_statement_that_reads_meanwhile_is_an_error_and_no_harm() {
    let connection = made(&["u16.sql"]);
    let before = dump(&connection);
    let text = refusal(&connection, "SELECT crsql_upgrade() FROM n");
    assert!(text.contains("locked"), "{text}");
    assert_eq!(dump(&connection), before);
    upgrade(&connection);
}
