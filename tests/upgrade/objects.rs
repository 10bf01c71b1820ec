//! What else stands in a database of cr-sqlite: the application's own objects, and those of features.

use super::{made, make, upgrade};
use crate::checks::{exec, one, refusal, rows};
use crate::support::{load, scratch_dir};
use rusqlite::Connection;
use rusqlite::types::Value;

#[test]
fn the_applications_triggers_views_and_indexes_stay() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TABLE seen (k, is_local);
         CREATE TRIGGER watch AFTER INSERT ON n BEGIN
             INSERT INTO seen VALUES (NEW.k, crsql_internal_sync_bit() = 0);
         END;
         CREATE VIEW large AS SELECT * FROM n WHERE k > 1;
         CREATE INDEX n_x ON n (x);",
    );
    upgrade(&connection);
    exec(
        &connection,
        "INSERT INTO n VALUES (9, 9, 9);
         INSERT INTO crsql_changes VALUES ('n', x'01090a', 'x', 1, 1, 1, x'ee', 1, 0)",
    );
    assert_eq!(
        rows(&connection, "SELECT * FROM seen"),
        [
            vec![Value::Integer(9), Value::Integer(1)],
            vec![Value::Integer(10), Value::Integer(0)]
        ]
    );
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM large"), 4);
    let named = "SELECT count(*) FROM sqlite_schema WHERE name IN ('watch', 'large', 'n_x')";
    assert_eq!(one::<i64>(&connection, named), 3);
}

#[test]
fn objects_of_the_fractional_index_stay() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "CREATE TRIGGER __crsql_n_fractindex_pend_trig AFTER INSERT ON n WHEN NEW.y IN (-1, 1)
             BEGIN UPDATE n SET y = crsql_fract_key_between(NULL, NULL) WHERE k = NEW.k; END;
         CREATE TRIGGER __crsql_n_fractindex_ezmove AFTER UPDATE OF y ON n WHEN NEW.y IN (-1, 1)
             BEGIN UPDATE n SET y = crsql_fract_key_between(NULL, NULL) WHERE k = NEW.k; END;
         CREATE VIEW n_fractindex AS SELECT *, NULL AS after_k FROM n;
         CREATE TRIGGER n_fractindex_insert_trig INSTEAD OF INSERT ON n_fractindex
             BEGIN INSERT INTO n VALUES (NEW.k, NEW.x, 'here'); END;",
    );
    upgrade(&connection);
    let kept: i64 = one(
        &connection,
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%fractindex%'",
    );
    assert_eq!(kept, 4);
}

#[test]
fn a_column_that_was_added_is_unset_in_old_rows_and_set_by_a_write() {
    let connection = made(&["u16.sql"]);
    upgrade(&connection);
    let late = "SELECT col_version, db_version FROM crsql_changes
        WHERE \"table\" = 'to do' AND pk = x'010b0161' AND cid = 'late'";
    assert_eq!(rows(&connection, late), Vec::<Vec<Value>>::new());
    exec(
        &connection,
        "UPDATE \"to do\" SET late = 1 WHERE \"the key\" = 'a'",
    );
    assert_eq!(
        rows(&connection, late),
        [vec![Value::Integer(1), Value::Integer(16)]]
    );
}

#[test]
fn tables_can_be_altered_afterwards() {
    let connection = made(&["u16.sql"]);
    upgrade(&connection);
    exec(
        &connection,
        "ALTER TABLE n ADD COLUMN z DEFAULT 'new'; INSERT INTO n VALUES (9, 1, 2, 3);
         ALTER TABLE pair RENAME TO couple; UPDATE couple SET a = 'renamed' WHERE n = 1",
    );
    let count = |condition: &str| -> i64 {
        one(
            &connection,
            &format!("SELECT count(*) FROM crsql_changes WHERE {condition}"),
        )
    };
    assert_eq!(count("\"table\" = 'n' AND cid = 'z'"), 1);
    assert_eq!(count("\"table\" = 'couple' AND col_version = 2"), 1);
}

#[test]
fn a_table_that_was_renamed_keeps_its_clocks() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "ALTER TABLE n RENAME TO numbers; UPDATE expected SET \"table\" = 'numbers' WHERE \"table\" = 'n'",
    );
    upgrade(&connection);
    assert_eq!(
        rows(&connection, super::ALL_CHANGES),
        rows(&connection, super::EXPECTED)
    );
    exec(&connection, "INSERT INTO numbers VALUES (9, 9, 9)");
}

#[test]
fn a_view_in_the_place_of_a_table_is_refused() {
    let connection = made(&["u16.sql"]);
    exec(
        &connection,
        "DROP TABLE n; CREATE VIEW n AS SELECT 1 AS k; CREATE TABLE dropped (a)",
    );
    let text = refusal(&connection, "SELECT crsql_upgrade()");
    assert!(text.contains("\"n\" has clocks, and is a view"), "{text}");
    exec(&connection, "DROP VIEW n");
    let report = upgrade(&connection);
    assert!(report.contains("\"dropped_tables\":[\"n\"]"), "{report}");
    let at: i64 = one(&connection, "SELECT crsql_db_version()");
    assert_eq!(at, 15, "its versions are not given out again");
}

#[test]
fn clset_tables_stay_what_they_are() {
    let directory = scratch_dir();
    let path = directory.join("old.db");
    make(&path, &["u16.sql"]);
    let plain = Connection::open(&path).expect("open the file");
    exec(
        &plain,
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', 'n_schema', 'n_schema', 0,
             'CREATE VIRTUAL TABLE n_schema USING clset (k INTEGER PRIMARY KEY NOT NULL, x, y)');",
    );
    drop(plain);
    let connection = Connection::open(&path).expect("open the file");
    load(&connection).expect("load the extension");
    let text = refusal(
        &connection,
        "CREATE VIRTUAL TABLE more_schema USING clset (k PRIMARY KEY NOT NULL)",
    );
    assert!(text.contains("crsql_upgrade()"), "{text}");
    upgrade(&connection);
    assert_eq!(
        rows(&connection, super::ALL_CHANGES),
        rows(&connection, super::EXPECTED)
    );
    exec(&connection, "DROP TABLE n_schema");
    let left: i64 = one(
        &connection,
        "SELECT count(*) FROM sqlite_schema WHERE name = 'n'",
    );
    assert_eq!(left, 0);
    let at: i64 = one(&connection, "SELECT crsql_db_version()");
    assert_eq!(at, 15);
}
