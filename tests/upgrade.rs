//! Taking over databases of cr-sqlite with `crsql_upgrade()`.
//!
//! The fixtures are written from the described layouts. Each holds, in a table `expected`, the rows that the
//! database must show in `crsql_changes` afterwards, worked out by hand from its clocks.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

#[path = "upgrade/before.rs"]
mod before;

#[path = "upgrade/exchange.rs"]
mod exchange;

#[path = "upgrade/failing.rs"]
mod failing;

#[path = "upgrade/large.rs"]
mod large;

#[path = "upgrade/objects.rs"]
mod objects;

#[path = "upgrade/refusals.rs"]
mod refusals;

#[path = "upgrade/transactions.rs"]
mod transactions;

use checks::{exec, one, rows};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use support::{changes, load};

/// The site id of every fixture.
const OWN: &str = "a1a1a1a1a1a14a1a8a1a1a1a1a1a1a1a";

/// The fixtures that are taken over: their files, their replicated tables, and the version they are at then.
const FIXTURES: [(&[&str], &[&str], i64); 7] = [
    (&["u16.sql"], &["to do", "pair", "tagged", "n"], 15),
    (&["u16_rough.sql"], &["t", "forms"], 10),
    (&["u15.sql"], &["foo", "pair"], 4),
    (&["u15.sql", "u15_damaged.sql"], &["foo", "pair"], 4),
    (&["u13.sql"], &["t", "tagged"], 6),
    (&["u12.sql"], &["t"], 3),
    (&["f17.sql"], &["t"], 9),
];

const ALL_CHANGES: &str = "SELECT * FROM crsql_changes";
const EXPECTED: &str = "SELECT * FROM expected";

/// Makes the database that these fixtures describe, without the extension.
fn fill(connection: &Connection, files: &[&str]) {
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/upgrade")
            .join(file);
        let script = std::fs::read_to_string(&path).expect("read the fixture");
        exec(connection, &script);
    }
}

/// The same in a file.
fn make(path: &Path, files: &[&str]) {
    fill(&Connection::open(path).expect("open the database"), files);
}

/// The same in memory, with the extension loaded then.
fn made(files: &[&str]) -> Connection {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    fill(&connection, files);
    load(&connection).expect("load the extension");
    connection
}

/// Runs `crsql_upgrade()` and gives its report.
fn upgrade(connection: &Connection) -> String {
    one(connection, "SELECT crsql_upgrade()")
}

/// A number of the report, by a path of SQLite's JSON functions.
fn reported(connection: &Connection, report: &str, path: &str) -> Value {
    connection
        .query_row("SELECT ?1 ->> ?2", [report, path], |row| row.get(0))
        .expect("read the report")
}

#[test]
fn a_database_shows_the_same_changes_as_before() {
    for (files, tables, version) in FIXTURES {
        let connection = made(files);
        let report = upgrade(&connection);
        assert_eq!(
            rows(&connection, ALL_CHANGES),
            rows(&connection, EXPECTED),
            "{files:?}: {report}"
        );
        let at = one::<i64>(&connection, "SELECT crsql_db_version()");
        assert_eq!(at, version, "{files:?}");
        assert_eq!(
            one::<String>(&connection, "SELECT lower(hex(crsql_site_id()))"),
            OWN
        );
        assert_eq!(
            reported(&connection, &report, "$.site_id"),
            Value::Text(OWN.to_owned())
        );
        assert_eq!(
            reported(&connection, &report, "$.db_version"),
            Value::Integer(version)
        );
        assert_eq!(
            reported(&connection, &report, "$.upgraded"),
            Value::Integer(1)
        );
        let intact: String = one(&connection, "PRAGMA integrity_check");
        assert_eq!(intact, "ok", "{files:?}");
        let left = rows(
            &connection,
            "SELECT name FROM sqlite_schema WHERE name LIKE '%!_!_crsql!_%' ESCAPE '!'
             UNION ALL SELECT name FROM temp.sqlite_schema",
        );
        assert_eq!(left, Vec::<Vec<Value>>::new(), "{files:?} {tables:?}");
    }
}

#[test]
fn writes_are_recorded_from_the_next_version_on() {
    for (files, tables, version) in FIXTURES {
        let connection = made(files);
        upgrade(&connection);
        for (written, table) in (1..).zip(tables) {
            let name = checks::quoted(table);
            // Every row in one transaction: first deleted, then put back.
            exec(
                &connection,
                &format!(
                    "BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM {name}; DELETE FROM {name};
                     INSERT INTO {name} SELECT * FROM kept; DROP TABLE kept; COMMIT"
                ),
            );
            let at: i64 = one(&connection, "SELECT crsql_db_version()");
            assert_eq!(at, version + written, "{files:?} {table}");
            let rows: i64 = one(&connection, &format!("SELECT count(*) FROM {name}"));
            let sentinels: i64 = one(
                &connection,
                &format!(
                    "SELECT count(*) FROM crsql_changes
                     WHERE \"table\" = {} AND cid = '-1' AND cl % 2 = 1 AND cl >= 3 AND db_version = {at}",
                    checks::literal(table)
                ),
            );
            assert_eq!(sentinels, rows, "{files:?} {table}");
        }
        let pairs: i64 = one(
            &connection,
            "SELECT count(*) - count(DISTINCT db_version || ' ' || seq) FROM crsql_changes",
        );
        assert_eq!(pairs, 0, "{files:?}");
    }
}

#[test]
fn settings_peers_and_versions_stay() {
    let connection = made(&["u16.sql"]);
    let peers = "SELECT hex(site_id), version, seq, tag, event FROM crsql_tracked_peers";
    let before = rows(&connection, peers);
    upgrade(&connection);
    assert_eq!(rows(&connection, peers), before);
    assert_eq!(
        one::<i64>(&connection, "SELECT crsql_config_get('merge-equal-values')"),
        1
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT hex(site_id), ordinal FROM crsql_site_id WHERE ordinal > 0"
        ),
        rows(
            &connection,
            "SELECT 'B2B2B2B2B2B24B2B8B2B2B2B2B2B2B2B', 1
             UNION ALL SELECT 'C3C3C3C3C3C34C3C8C3C3C3C3C3C3C3C', 2"
        )
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT key FROM crsql_master WHERE key IN ('crsqlite_version', 'pre_compact_dbversion')"
        ),
        Vec::<Vec<Value>>::new()
    );

    let connection = made(&["u16_rough.sql"]);
    upgrade(&connection);
    assert_eq!(
        one::<i64>(&connection, "SELECT crsql_config_get('merge-equal-values')"),
        0,
        "'yes' meant no"
    );
}

#[test]
fn the_report_counts_what_was_dropped_and_moved() {
    let connection = made(&["u16_rough.sql"]);
    let report = upgrade(&connection);
    let integer = |path: &str| reported(&connection, &report, path);
    for (path, expected) in [
        ("$.tables[1].rows", 4),
        ("$.tables[1].pristine_rows", 3),
        ("$.tables[1].tombstones", 1),
        ("$.tables[1].cells", 8),
        ("$.tables[1].back_filled_rows", 1),
        ("$.tables[1].moved_seqs", 3),
        ("$.tables[1].dropped_rows", 1),
        ("$.tables[1].dropped_clocks", 5),
        ("$.tables[1].deleted_but_there", 1),
        ("$.tables[0].dropped_identities", 1),
        ("$.tables[0].dropped_clocks", 1),
        ("$.restamped_versions", 0),
    ] {
        assert_eq!(
            integer(path),
            Value::Integer(expected),
            "{path} of {report}"
        );
    }
    assert_eq!(
        integer("$.dropped_tables[0]"),
        Value::Text("lost".to_owned())
    );
    assert_eq!(integer("$.dropped_tables[1]"), Value::Null);
    let Value::Text(warning) = integer("$.warnings[0]") else {
        panic!("no warning in {report}");
    };
    assert!(
        warning.contains("UNIQUE constraint on (\"b\")"),
        "{warning}"
    );

    let connection = made(&["f17.sql"]);
    let report = upgrade(&connection);
    assert_eq!(
        reported(&connection, &report, "$.restamped_versions"),
        Value::Integer(3)
    );
    let kept: i64 = one(&connection, "SELECT count(*) FROM crsql_db_versions");
    assert_eq!(
        kept, 3,
        "what the fork noted of versions stays, as an ordinary table"
    );
}

#[test]
fn a_row_as_it_was_inserted_needs_no_record() {
    let connection = made(&["u16.sql"]);
    upgrade(&connection);
    let records = |table: &str| -> i64 {
        let id: i64 = connection
            .query_row(
                "SELECT id FROM crsql_tables WHERE name = ?1",
                [table],
                |row| row.get(0),
            )
            .expect("a registered table");
        one(
            &connection,
            &format!("SELECT count(*) FROM crsql_rows_{id}"),
        )
    };
    // Of 'b' alone every column was set at once; 2 was updated; 1 2 was only inserted.
    assert_eq!(
        (records("to do"), records("n"), records("tagged")),
        (5, 1, 2)
    );
}

#[test]
fn there_is_nothing_to_do_a_second_time_or_for_a_new_database() {
    let connection = made(&["u16.sql"]);
    upgrade(&connection);
    let report = upgrade(&connection);
    assert!(report.contains("nothing to do"), "{report}");
    assert_eq!(rows(&connection, ALL_CHANGES), rows(&connection, EXPECTED));
    let fresh = support::open_memory();
    assert_eq!(
        reported(&fresh, &upgrade(&fresh), "$.upgraded"),
        Value::Integer(0)
    );
}

#[test]
fn a_database_without_replicated_tables_keeps_its_identity() {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    exec(
        &connection,
        "CREATE TABLE crsql_master (key TEXT PRIMARY KEY, value ANY);
         INSERT INTO crsql_master VALUES ('crsqlite_version', 160300), ('pre_compact_dbversion', 8);
         CREATE TABLE crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
         INSERT INTO crsql_site_id VALUES (x'a1a1a1a1a1a14a1a8a1a1a1a1a1a1a1a', 0)",
    );
    load(&connection).expect("load the extension");
    let refusal = checks::refusal(&connection, "SELECT crsql_site_id()");
    assert!(refusal.contains("crsql_upgrade()"), "{refusal}");
    upgrade(&connection);
    assert_eq!(
        one::<String>(&connection, "SELECT lower(hex(crsql_site_id()))"),
        OWN
    );
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 8);
    assert_eq!(changes(&connection, 0), []);
}
