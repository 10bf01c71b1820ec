//! A database of cr-sqlite before it is upgraded: it loads, stays as it is, and says what to do.

use super::{FIXTURES, made, make};
use crate::checks::{exec, one, refusal, rows};
use crate::support::{load, scratch_dir};
use rusqlite::{Connection, OpenFlags};
use std::fs;

/// What every refusal says.
const REMEDY: &str = "make a copy of the file, then convert it with SELECT crsql_upgrade()";

#[test]
fn loading_does_not_change_the_file() {
    for (files, ..) in FIXTURES {
        let directory = scratch_dir();
        let path = directory.join("old.db");
        make(&path, files);
        let before = fs::read(&path).expect("read the file");
        let connection = Connection::open(&path).expect("open the file");
        load(&connection).expect("load the extension");
        refusal(&connection, "SELECT crsql_db_version()");
        refusal(&connection, "SELECT * FROM crsql_changes");
        refusal(&connection, "SELECT crsql_as_crr('expected')");
        drop(connection);
        assert_eq!(fs::read(&path).expect("read the file"), before, "{files:?}");
    }
}

#[test]
fn whatever_needs_the_internal_tables_says_what_to_do() {
    for (files, layout) in [
        (&["u16.sql"][..], "cr-sqlite 0.16;"),
        (&["u15.sql"], "cr-sqlite 0.15;"),
        (
            &["u15.sql", "u15_damaged.sql"],
            "cr-sqlite 0.15, half-upgraded by cr-sqlite 0.16;",
        ),
        (&["u13.sql"], "cr-sqlite 0.13 or 0.14;"),
        (&["u12.sql"], "cr-sqlite 0.12;"),
        (&["f17.sql"], "Fly's fork of cr-sqlite, 0.17;"),
    ] {
        let connection = made(files);
        for statement in [
            "SELECT crsql_as_crr('expected')",
            "SELECT crsql_as_table('t')",
            "SELECT crsql_begin_alter('t')",
            "SELECT crsql_commit_alter('t')",
            "SELECT crsql_site_id()",
            "SELECT crsql_db_version()",
            "SELECT crsql_next_db_version()",
            "SELECT crsql_get_seq()",
            "SELECT crsql_increment_and_get_seq()",
            "SELECT crsql_rows_impacted()",
            "SELECT crsql_config_get('merge-equal-values')",
            "SELECT crsql_config_set('merge-equal-values', 1)",
            "SELECT crsql_internal_sync_bit()",
            "SELECT count(*) FROM crsql_changes",
            "INSERT INTO crsql_changes VALUES ('t', x'010901', 'a', 1, 1, 1, NULL, 1, 0)",
        ] {
            let text = refusal(&connection, statement);
            assert!(
                text.contains(REMEDY) && text.contains(layout),
                "{files:?} {statement}: {text}"
            );
        }
        assert_eq!(one::<i64>(&connection, "SELECT crsql_version() > 0"), 1);
        assert_eq!(one::<i64>(&connection, "SELECT length(crsql_sha()) > 0"), 1);
        assert_eq!(
            one::<String>(&connection, "SELECT hex(crsql_pack_columns(1))"),
            "010901"
        );
        let cells = rows(
            &connection,
            "SELECT cell FROM crsql_unpack_columns(x'010901')",
        );
        assert_eq!(cells.len(), 1);
        assert_eq!(
            one::<String>(&connection, "SELECT crsql_finalize()"),
            "finalized"
        );
    }
}

#[test]
fn writes_to_its_replicated_tables_are_refused_with_the_same_text() {
    for (files, write) in [
        ("u16.sql", "INSERT INTO n VALUES (9, 9, 9)"),
        ("u16.sql", "UPDATE \"to do\" SET done = 9"),
        ("u16.sql", "DELETE FROM \"to do\""),
        ("u15.sql", "INSERT INTO foo VALUES (9, 9)"),
        ("u15.sql", "UPDATE foo SET a = 9 WHERE a = 3"),
        ("u15.sql", "DELETE FROM foo"),
        ("u13.sql", "INSERT INTO t VALUES ('new', 1, 2)"),
        ("u12.sql", "INSERT INTO t VALUES (9, 1, 2)"),
        ("f17.sql", "INSERT INTO t VALUES ('new', 1, 2)"),
        ("f17.sql", "INSERT INTO crsql_site_id VALUES (x'01', 9)"),
    ] {
        let connection = made(&[files]);
        let text = refusal(&connection, write);
        assert!(text.contains(REMEDY), "{files} {write}: {text}");
        exec(
            &connection,
            "CREATE TABLE plain (a); INSERT INTO plain VALUES (1)",
        );
    }
}

#[test]
fn a_file_that_can_only_be_read_loads_too() {
    let directory = scratch_dir();
    let path = directory.join("old.db");
    make(&path, &["u16.sql"]);
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("open the file");
    load(&connection).expect("load the extension");
    let text = refusal(&connection, "SELECT crsql_db_version()");
    assert!(text.contains(REMEDY), "{text}");
    let text = refusal(&connection, "SELECT crsql_upgrade()");
    assert!(text.contains("readonly"), "{text}");
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM n"), 4);
}

#[test]
fn functions_of_the_old_triggers_say_so_once_they_are_replaced() {
    let connection = crate::support::open_memory();
    let text = refusal(&connection, "SELECT crsql_after_insert('t', 1)");
    assert!(text.contains("drop the trigger"), "{text}");
}
