//! Every kind of table that `crsql_as_crr` refuses: with which text, and that nothing stays behind.

use std::ffi::{c_int, c_void};

use rusqlite::types::Value;
use rusqlite::{Connection, ffi};

use crate::checks::{check, content, create_crr, exec, literal, one, refusal, rows, upgrade};
use crate::support::{changes, open_memory};

/// Everything a failed upgrade could leave: the schema of every database and all internal rows.
fn traces(connection: &Connection) -> Vec<Vec<Value>> {
    let mut found = rows(
        connection,
        "SELECT type, name, tbl_name, sql FROM main.sqlite_master UNION ALL SELECT type, name, tbl_name, sql FROM temp.sqlite_master",
    );
    let names = rows(
        connection,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name LIKE 'crsql%' ORDER BY name",
    );
    for name in names {
        let Value::Text(name) = &name[0] else {
            panic!("{name:?}")
        };
        found.extend(rows(connection, &format!("SELECT * FROM main.{name}")));
    }
    found
}

/// The call fails with exactly this text, in and out of a transaction, and leaves nothing.
fn refused(connection: &Connection, call: &str, text: &str) {
    let before = traces(connection);
    assert_eq!(
        refusal(connection, &format!("SELECT {call}")),
        text,
        "{call}"
    );
    assert!(connection.is_autocommit(), "{call} left a transaction open");
    assert_eq!(traces(connection), before, "left behind by {call}");
    exec(
        connection,
        "BEGIN; CREATE TABLE earlier_work(a); SAVEPOINT earlier",
    );
    assert_eq!(
        refusal(connection, &format!("SELECT {call}")),
        text,
        "{call} in a transaction"
    );
    assert_eq!(
        rows(connection, "SELECT * FROM earlier_work"),
        Vec::<Vec<Value>>::new(),
        "{call} undid earlier work"
    );
    exec(connection, "RELEASE earlier; ROLLBACK");
    assert_eq!(
        traces(connection),
        before,
        "left behind by {call} in a transaction"
    );
}

/// A table named x is refused for this reason.
fn table_refused(create: &str, reason: &str) {
    let connection = open_memory();
    exec(&connection, create);
    refused(
        &connection,
        "crsql_as_crr('x')",
        &format!("crsql: table \"x\" can't be replicated: it {reason}"),
    );
    drop(check(&connection, &[]));
}

#[test]
fn unique_constraints_beside_the_key() {
    let reason = |columns: &str, remedy: &str| {
        format!(
            "has a UNIQUE constraint on ({columns}) beside its primary key, which rows written apart on two replicas may \
             both break; {remedy}"
        )
    };
    let (declared, index) = (
        "declare the table without it",
        "drop the index \"i\" or make it an ordinary one",
    );
    for (create, columns, remedy) in [
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a UNIQUE)",
            "\"a\"",
            declared,
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a, b, UNIQUE (b, a))",
            "\"b\", \"a\"",
            declared,
        ),
        (
            "CREATE TABLE x(k TEXT PRIMARY KEY NOT NULL, a, UNIQUE (k, a)) WITHOUT ROWID",
            "\"k\", \"a\"",
            declared,
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON x(a)",
            "\"a\"",
            index,
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON x(a) WHERE a > 0",
            "\"a\"",
            index,
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON x(a COLLATE NOCASE)",
            "\"a\"",
            index,
        ),
    ] {
        table_refused(create, &reason(columns, remedy));
    }
}

#[test]
fn unique_indexes_that_are_stricter_than_the_key() {
    for create in [
        "CREATE TABLE x(k TEXT PRIMARY KEY NOT NULL, a); CREATE UNIQUE INDEX i ON x(k COLLATE NOCASE)",
        "CREATE TABLE x(k TEXT PRIMARY KEY NOT NULL, a, UNIQUE (k COLLATE NOCASE))",
        "CREATE TABLE x(k TEXT PRIMARY KEY NOT NULL, a); CREATE UNIQUE INDEX i ON x(lower(k))",
        "CREATE TABLE x(k INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON x(a + 1, k)",
        "CREATE TABLE x(p NOT NULL, q NOT NULL, a, PRIMARY KEY (p, q)); CREATE UNIQUE INDEX i ON x(p)",
    ] {
        let connection = open_memory();
        exec(&connection, create);
        let before = traces(&connection);
        let text = refusal(&connection, "SELECT crsql_as_crr('x')");
        assert!(text.contains("UNIQUE"), "{create}: {text}");
        assert_eq!(traces(&connection), before);
    }
}

#[test]
fn tables_without_a_key_that_identifies() {
    table_refused(
        "CREATE TABLE x(a, b)",
        "has no primary key; declare one whose columns are all NOT NULL",
    );
    for (create, column) in [
        ("CREATE TABLE x(k INT PRIMARY KEY, a)", "k"),
        ("CREATE TABLE x(k TEXT PRIMARY KEY, a)", "k"),
        ("CREATE TABLE x(k INTEGER PRIMARY KEY DESC, a)", "k"),
        ("CREATE TABLE x(k NOT NULL, l, a, PRIMARY KEY (k, l))", "l"),
        ("CREATE TABLE x(k, l NOT NULL, a, PRIMARY KEY (k, l))", "k"),
    ] {
        let reason = format!(
            "has the key column \"{column}\", which may be NULL, and a row needs an identity; declare it NOT NULL"
        );
        table_refused(create, &reason);
    }
}

#[test]
fn autoincrement() {
    let reason = "is AUTOINCREMENT, and replicas would hand out the same ids; declare the key without it, and prefer \
                  ids that are unique everywhere, such as UUIDs";
    table_refused(
        "CREATE TABLE x(k INTEGER PRIMARY KEY AUTOINCREMENT, a)",
        reason,
    );
    table_refused(
        "CREATE TABLE x(a DEFAULT 'x--', k INTEGER PRIMARY KEY /* */ autoincrement)",
        reason,
    );
    for create in [
        "CREATE TABLE x(k INTEGER PRIMARY KEY, autoincrement_step)",
        "CREATE TABLE x(k INTEGER PRIMARY KEY, \"autoincrement\")",
        "CREATE TABLE x(k INTEGER PRIMARY KEY /* not AUTOINCREMENT */, a DEFAULT 'AUTOINCREMENT', -- AUTOINCREMENT\n b)",
        "CREATE TABLE x(k INTEGER PRIMARY KEY, a CHECK (a <> ' autoincrement '), [autoincrement], `AUTOINCREMENT x`)",
    ] {
        let connection = open_memory();
        exec(&connection, create);
        upgrade(&connection, "x");
    }
}

#[test]
fn foreign_keys() {
    for (create, column, parent) in [
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a REFERENCES parent(id))",
            "a",
            "parent",
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY REFERENCES nowhere, a)",
            "k",
            "nowhere",
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, a, FOREIGN KEY (a) REFERENCES x(k) DEFERRABLE INITIALLY DEFERRED)",
            "a",
            "x",
        ),
    ] {
        let reason = format!(
            "has a foreign key from \"{column}\" to \"{parent}\", which changes that arrive in another order would violate; \
             declare the table without REFERENCES"
        );
        table_refused(create, &reason);
    }
}

#[test]
fn columns_that_cannot_be_left_out() {
    let reason = |column: &str| {
        format!(
            "has the column \"{column}\", which is NOT NULL without a DEFAULT, and a row may arrive one column at a time; \
             give it a DEFAULT or let it be NULL"
        )
    };
    table_refused(
        "CREATE TABLE x(k INTEGER PRIMARY KEY, a, b NOT NULL)",
        &reason("b"),
    );
    table_refused(
        "CREATE TABLE x(k INTEGER PRIMARY KEY, \"a\"\"b\" INT NOT NULL CHECK (1)) STRICT",
        &reason("a\"\"b"),
    );
}

#[test]
fn a_column_named_like_the_sentinel() {
    table_refused(
        "CREATE TABLE x(k INTEGER PRIMARY KEY, \"-1\")",
        "has a column named \"-1\", the name that stands for whole rows in crsql_changes; rename it",
    );
    // In the key the name can't be mistaken: key columns are no cids.
    let connection = open_memory();
    create_crr(
        &connection,
        "x",
        "CREATE TABLE x(\"-1\" INTEGER PRIMARY KEY, a)",
    );
    exec(
        &connection,
        "INSERT INTO x VALUES (1, 2); UPDATE x SET \"-1\" = 3",
    );
    check(&connection, &["x"]);
}

/// Adds the collation `mine`, under which all texts are equal.
fn add_collation(connection: &Connection) {
    unsafe extern "C" fn same(
        _: *mut c_void,
        _: c_int,
        _: *const c_void,
        _: c_int,
        _: *const c_void,
    ) -> c_int {
        0
    }
    // SAFETY: the handle is open, and the function has the type that SQLite asks for.
    let code = unsafe {
        ffi::sqlite3_create_collation_v2(
            connection.handle(),
            c"mine".as_ptr(),
            ffi::SQLITE_UTF8,
            std::ptr::null_mut(),
            Some(same),
            None,
        )
    };
    assert_eq!(code, ffi::SQLITE_OK);
}

#[test]
fn collations_under_which_one_key_has_two_spellings() {
    let reason = |column: &str, collation: &str| {
        format!(
            "crsql: table \"x\" can't be replicated: it compares the key column \"{column}\" by {collation}, so that two \
             replicas could spell one key in two ways; declare the key COLLATE BINARY and bring the spelling into one \
             form before writing"
        )
    };
    for (create, column, collation) in [
        (
            "CREATE TABLE x(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)",
            "k",
            "NOCASE",
        ),
        (
            "CREATE TABLE x(k TEXT COLLATE RTRIM PRIMARY KEY, a) WITHOUT ROWID",
            "k",
            "RTRIM",
        ),
        (
            "CREATE TABLE x(j INT NOT NULL, k TEXT NOT NULL, a, PRIMARY KEY (j, k COLLATE NOCASE))",
            "k",
            "NOCASE",
        ),
        (
            "CREATE TABLE x(j INT, k TEXT, a, PRIMARY KEY (k COLLATE mine DESC, j)) WITHOUT ROWID",
            "k",
            "mine",
        ),
    ] {
        let connection = open_memory();
        add_collation(&connection);
        exec(&connection, create);
        refused(&connection, "crsql_as_crr('x')", &reason(column, collation));
    }
    // What counts is the index of the key, not the column.
    let connection = open_memory();
    create_crr(
        &connection,
        "x",
        "CREATE TABLE x(k TEXT COLLATE NOCASE NOT NULL, a, PRIMARY KEY (k COLLATE BINARY))",
    );
    exec(
        &connection,
        "INSERT INTO x VALUES ('a', 1), ('A', 2); UPDATE x SET k = 'B' WHERE k = 'a' COLLATE BINARY",
    );
    exec(
        &connection,
        "UPDATE x SET k = 'b' WHERE k = 'B' COLLATE BINARY; REPLACE INTO x VALUES ('A', 3), ('a', 4)",
    );
    assert_eq!(content(&connection, "x").len(), 3);
    check(&connection, &["x"]);
}

#[test]
fn keys_of_too_many_columns() {
    let names: Vec<String> = (0..256).map(|column| format!("k{column}")).collect();
    let create = format!(
        "CREATE TABLE x({0}, PRIMARY KEY ({0})) WITHOUT ROWID",
        names.join(", ")
    );
    table_refused(
        &create,
        "has a primary key of 256 columns, and at most 255 are possible",
    );
}

#[test]
fn existing_rows_that_break_the_rules_of_the_key() {
    // A rowid table lets NULLs into a key that became NOT NULL only in writable_schema; text can be
    // invalid UTF-8 anywhere.
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE x(k TEXT PRIMARY KEY NOT NULL, a); INSERT INTO x VALUES ('fine', 1), (CAST(x'ff' AS TEXT), 2)",
    );
    let before = traces(&connection);
    let text = refusal(&connection, "SELECT crsql_as_crr('x')");
    assert_eq!(
        text,
        "crsql: the key column \"k\" of table \"x\" holds text that is not valid UTF-8; store it as a BLOB"
    );
    assert_eq!(traces(&connection), before);
}

/// Names that are no table of `main` that could be upgraded.
#[test]
fn what_is_no_table_of_this_database() {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE plain(k INTEGER PRIMARY KEY, a); CREATE VIEW a_view AS SELECT 1 AS k; \
         CREATE VIRTUAL TABLE searched USING fts5(k, a); CREATE TEMP TABLE here(k INTEGER PRIMARY KEY, a); \
         ATTACH ':memory:' AS other; CREATE TABLE other.there(k INTEGER PRIMARY KEY, a)",
    );
    for (call, named) in [
        ("crsql_as_crr('missing')", "missing"),
        ("crsql_as_crr('a_view')", "a_view"),
        ("crsql_as_crr('searched')", "searched"),
        ("crsql_as_crr('here')", "here"),
        ("crsql_as_crr('temp', 'here')", "temp"),
        ("crsql_as_crr('main', 'here')", "here"),
        ("crsql_as_crr('there')", "there"),
        ("crsql_as_crr('other', 'there')", "other"),
        ("crsql_as_crr('nowhere', 'plain')", "nowhere"),
        ("crsql_as_crr('')", "\"\""),
        ("crsql_as_crr('plain;')", "plain;"),
        ("crsql_as_crr('main.plain')", "main.plain"),
        ("crsql_as_crr('pl%in')", "pl%in"),
        ("crsql_as_crr('sqlite_master')", "sqlite_master"),
        ("crsql_as_crr('crsql_changes')", "crsql_changes"),
    ] {
        let before = traces(&connection);
        let text = refusal(&connection, &format!("SELECT {call}"));
        assert!(
            text.starts_with("crsql: ") && text.contains(named),
            "{call}: {text}"
        );
        assert_eq!(traces(&connection), before, "left behind by {call}");
    }
    assert_eq!(
        one::<String>(&connection, "SELECT crsql_as_crr('main', 'plain')"),
        "OK"
    );
    exec(&connection, "INSERT INTO plain VALUES (1, 2)");
    assert_eq!(changes(&connection, 0).len(), 1);
}

fn text_in(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

/// Applies a part of a large transaction, for which the table of parts is made.
fn keep_a_part(connection: &Connection) {
    let large = open_memory();
    create_crr(&large, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &large,
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
         INSERT INTO t SELECT i, hex(randomblob(20)) FROM n",
    );
    let part: Vec<u8> = one(&large, "SELECT data FROM crsql_changesets(0, NULL, 1000)");
    connection
        .query_row("SELECT crsql_apply(?1)", [part], |_| Ok(()))
        .expect("apply a part");
}

#[test]
fn internal_tables_and_names_that_they_would_have() {
    let connection = open_memory();
    create_crr(&connection, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2); UPDATE t SET a = 3",
    );
    one::<Vec<u8>>(&connection, "SELECT crsql_digest()");
    keep_a_part(&connection);
    let internal = rows(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'crsql%'",
    );
    let internal: Vec<String> = internal.iter().map(|row| text_in(&row[0])).collect();
    for name in [
        "crsql_master",
        "crsql_site_id",
        "crsql_tracked_peers",
        "crsql_peer_times",
        "crsql_tables",
        "crsql_columns",
        "crsql_log",
        "crsql_rows_1",
        "crsql_parked_changes",
        "crsql_former_names",
        "crsql_parts",
        "crsql_digest_state",
        "crsql_digest_trees",
        "crsql_digest_nodes",
        "crsql_digest_dead",
        "crsql_digest_touched",
    ] {
        assert!(
            internal.iter().any(|found| found == name),
            "{name} is not there"
        );
    }
    for name in &internal {
        for spelling in [name.clone(), name.to_uppercase()] {
            let text = refusal(
                &connection,
                &format!("SELECT crsql_as_crr({})", literal(&spelling)),
            );
            assert!(
                text.contains("names like this are kept for internal tables"),
                "{text}"
            );
        }
    }
    // Also where the extension has not made them yet.
    let fresh = open_memory();
    for name in [
        "crsql_parts",
        "crsql_digest_state",
        "crsql_digest_nodes",
        "crsql_rows_77",
    ] {
        exec(
            &fresh,
            &format!("CREATE TABLE {name}(k INTEGER PRIMARY KEY, a)"),
        );
        let text = refusal(&fresh, &format!("SELECT crsql_as_crr('{name}')"));
        assert!(text.contains(name), "{text}");
    }
    for name in ["t__crsql_clock", "x__crsql_pks", "X__CRSQL_CLOCK"] {
        exec(
            &connection,
            &format!("CREATE TABLE {name}(k INTEGER PRIMARY KEY, a)"),
        );
        let text = refusal(
            &connection,
            &format!("SELECT crsql_as_crr({})", literal(name)),
        );
        assert!(text.contains(name), "{text}");
        exec(&connection, &format!("DROP TABLE {name}"));
    }
    check(&connection, &["t"]);
    // Names that only look like it are the application's.
    for name in ["crsql_notes", "__crsql_x", "crsql"] {
        create_crr(
            &connection,
            name,
            &format!("CREATE TABLE {name}(k INTEGER PRIMARY KEY, a)"),
        );
        exec(&connection, &format!("INSERT INTO {name} VALUES (1, 2)"));
    }
    check(&connection, &["t", "crsql_notes", "__crsql_x", "crsql"]);
}

#[test]
fn arguments_that_are_no_table_name() {
    let connection = open_memory();
    exec(&connection, "CREATE TABLE plain(k INTEGER PRIMARY KEY, a)");
    for call in [
        "crsql_as_crr()",
        "crsql_as_crr(NULL)",
        "crsql_as_crr(NULL, 'plain')",
        "crsql_as_crr('main', NULL)",
        "crsql_as_crr('main', 'plain', 'x')",
        "crsql_as_crr(x'ff')",
        "crsql_as_crr(5)",
    ] {
        let before = traces(&connection);
        let text = refusal(&connection, &format!("SELECT {call}"));
        assert!(text.contains("crsql_as_crr"), "{call}: {text}");
        assert_eq!(traces(&connection), before, "left behind by {call}");
    }
}

#[test]
fn an_upgrade_that_is_rolled_back_leaves_a_plain_table() {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE TABLE rivers(name TEXT PRIMARY KEY NOT NULL, len REAL); INSERT INTO rivers VALUES ('Aare', 288)",
    );
    let before = traces(&connection);
    for undo in [
        "BEGIN; SELECT crsql_as_crr('rivers'); ROLLBACK",
        "SAVEPOINT s; SELECT crsql_as_crr('rivers'); INSERT INTO rivers VALUES ('x', 1); ROLLBACK TO s; RELEASE s",
    ] {
        exec(&connection, undo);
        assert_eq!(traces(&connection), before, "{undo}");
        assert_eq!(content(&connection, "rivers").len(), 1);
        exec(&connection, "UPDATE rivers SET len = len + 1");
        assert!(changes(&connection, 0).is_empty());
    }
    upgrade(&connection, "rivers");
    exec(&connection, "INSERT INTO rivers VALUES ('Rhein', 1233)");
    check(&connection, &["rivers"]);
}
