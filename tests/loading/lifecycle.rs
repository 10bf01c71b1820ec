//! From load to close: entry points, read-only files, failed loads, loading twice, closing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, LoadExtensionGuard, OpenFlags};

use crate::checks::{
    check, content, create_crr, exec, literal, one, refusal, rows, text_of, upgrade,
};
use crate::support::{
    changes, extension_path, load, merge, open, open_memory, scratch_dir, sqlite3_shell,
};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

fn close(connection: Connection, context: &str) {
    if let Err((_, error)) = connection.close() {
        panic!("{context}: close answers {error}");
    }
}

/// Nothing of the extension can be reached from this connection.
fn assert_nothing_registered(connection: &Connection) {
    let functions = rows(
        connection,
        "SELECT name FROM pragma_function_list WHERE name LIKE 'crsql%'",
    );
    let modules = rows(
        connection,
        "SELECT name FROM pragma_module_list WHERE name LIKE '%crsql%' OR name = 'clset'",
    );
    assert_eq!((functions, modules), (vec![], vec![]));
}

fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).expect("open read-only")
}

#[test]
fn both_entry_points_give_the_same_extension() {
    for entry_point in [
        None,
        Some("sqlite3_crsql_init"),
        Some("sqlite3_crsqlite_init"),
    ] {
        let connection = Connection::open_in_memory().expect("open");
        // SAFETY: the library is the one under test.
        unsafe {
            let _guard = LoadExtensionGuard::new(&connection).expect("allow loading");
            connection
                .load_extension(extension_path(), entry_point)
                .expect("load");
        }
        create_crr(&connection, "t", TABLE);
        exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
        check(&connection, &["t"]);
        close(connection, "after loading by its entry point");
    }
}

#[test]
fn a_file_named_like_the_predecessor_needs_no_entry_point() {
    let directory = scratch_dir();
    let path = directory.join("crsqlite.so");
    std::fs::copy(extension_path(), &path).expect("copy the extension");
    let connection = Connection::open_in_memory().expect("open");
    // SAFETY: the library is a copy of the one under test.
    unsafe {
        let _guard = LoadExtensionGuard::new(&connection).expect("allow loading");
        connection
            .load_extension(&path, None::<&str>)
            .expect("load");
    }
    create_crr(&connection, "t", TABLE);
    close(connection, "after loading by file name");
}

#[test]
fn the_site_id_is_a_random_uuid_that_stays_with_the_file() {
    let directory = scratch_dir();
    let mut seen = BTreeSet::new();
    for file in 0..20 {
        let path = directory.join(format!("{file}.db"));
        let first = open(&path);
        let second = open(&path);
        let id: Vec<u8> = one(&first, "SELECT crsql_site_id()");
        assert_eq!(
            id,
            one::<Vec<u8>>(&second, "SELECT crsql_site_id()"),
            "of two connections"
        );
        close(first, "one of two");
        close(second, "the other");
        let reopened = open(&path);
        assert_eq!(
            id,
            one::<Vec<u8>>(&reopened, "SELECT crsql_site_id()"),
            "after reopening"
        );
        assert_eq!(
            rows(&reopened, "SELECT site_id, ordinal FROM crsql_site_id"),
            [[Value::Blob(id.clone()), Value::Integer(0)]]
        );
        assert_eq!(
            (id.len(), id[6] >> 4, id[8] >> 6),
            (16, 4, 2),
            "a version 4 UUID: {id:02x?}"
        );
        seen.insert(id);
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn a_missing_site_id_is_minted_anew_and_local_changes_carry_it() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = open(&path);
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let old: Vec<u8> = one(&connection, "SELECT crsql_site_id()");
    exec(&connection, "DELETE FROM crsql_site_id WHERE ordinal = 0");
    close(connection, "without a site id");
    let connection = open(&path);
    let new: Vec<u8> = one(&connection, "SELECT crsql_site_id()");
    assert_ne!(old, new);
    assert!(
        changes(&connection, 0)
            .iter()
            .all(|change| change.site_id == new)
    );
}

#[test]
fn a_site_id_of_the_wrong_size_fails_the_load_and_leaves_nothing() {
    let directory = scratch_dir();
    let path = directory.join("db");
    close(open(&path), "a fresh file");
    let plain = Connection::open(&path).expect("open");
    exec(&plain, "UPDATE crsql_site_id SET site_id = x'0102'");
    load(&plain).expect_err("a site id of two bytes");
    assert_nothing_registered(&plain);
    assert_eq!(one::<i64>(&plain, "SELECT count(*) FROM crsql_site_id"), 1);
    close(plain, "after the failed load");
}

#[test]
fn tables_that_applications_read_have_their_columns() {
    let connection = open_memory();
    for (table, expected) in [
        ("crsql_master", &["key", "value"][..]),
        ("crsql_site_id", &["site_id", "ordinal"]),
        (
            "crsql_tracked_peers",
            &["site_id", "version", "seq", "tag", "event"],
        ),
    ] {
        let found = rows(
            &connection,
            &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"),
        );
        let expected: Vec<_> = expected
            .iter()
            .map(|name| vec![Value::Text((*name).into())])
            .collect();
        assert_eq!(found, expected, "{table}");
    }
    exec(
        &connection,
        "INSERT INTO crsql_tracked_peers VALUES (x'01', 2, 3, 0, 0) ON CONFLICT DO UPDATE SET version = 9",
    );
}

#[test]
fn loading_twice_captures_once() {
    let connection = open_memory();
    load(&connection).expect("load again");
    create_crr(&connection, "t", TABLE);
    load(&connection).expect("load after the upgrade");
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let seqs: Vec<i64> = changes(&connection, 0)
        .iter()
        .map(|change| change.seq)
        .collect();
    assert_eq!(seqs, [0, 1]);
    exec(&connection, "BEGIN; UPDATE t SET a = 5");
    load(&connection).expect("load in a transaction with captured rows");
    exec(&connection, "UPDATE t SET b = 6; COMMIT");
    check(&connection, &["t"]);
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), 2);
    close(connection, "after loading three times");
}

#[test]
fn loading_through_sql_inside_a_select() {
    let connection = Connection::open_in_memory().expect("open");
    let call = format!(
        "SELECT load_extension({}, 'sqlite3_crsql_init')",
        literal(extension_path().to_str().expect("a UTF-8 path"))
    );
    exec(
        &connection,
        "CREATE TABLE n(i); INSERT INTO n VALUES (1), (2), (3)",
    );
    // SAFETY: the library is the one under test.
    let guard = unsafe { LoadExtensionGuard::new(&connection).expect("allow loading") };
    rows(&connection, &format!("{call} FROM n"));
    drop(guard);
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    check(&connection, &["t"]);
    close(connection, "after load_extension()");
}

#[test]
fn a_load_that_is_rolled_back_is_repeated_by_need() {
    let connection = Connection::open_in_memory().expect("open");
    exec(&connection, "BEGIN");
    load(&connection).expect("load");
    exec(&connection, "ROLLBACK");
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    assert_eq!(
        one::<Vec<u8>>(&connection, "SELECT crsql_site_id()").len(),
        16
    );
    check(&connection, &["t"]);
    close(connection, "after a load that was rolled back");
}

#[test]
fn a_load_that_is_rolled_back_keeps_one_identity() {
    let directory = scratch_dir();
    let connection = Connection::open(directory.join("db")).expect("open");
    exec(&connection, "BEGIN");
    load(&connection).expect("load");
    exec(&connection, "ROLLBACK");
    for sql in [
        "SELECT crsql_db_version()",
        "SELECT count(*) FROM crsql_changes",
        "SELECT crsql_config_get('merge-equal-values')",
    ] {
        assert_eq!(one::<i64>(&connection, sql), 0, "{sql}");
    }
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    let said: Vec<u8> = one(&connection, "SELECT crsql_site_id()");
    assert_eq!(changes(&connection, 0)[0].site_id, said);
    close(connection, "after a load that was rolled back");
    let reopened = open(directory.join("db"));
    assert_eq!(one::<Vec<u8>>(&reopened, "SELECT crsql_site_id()"), said);
}

#[test]
fn a_read_only_file_can_be_read() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let writer = open(&path);
    create_crr(&writer, "t", TABLE);
    exec(
        &writer,
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 4; INSERT INTO t VALUES (2, 2, 2); DELETE FROM t WHERE k = 2",
    );
    let expected = changes(&writer, 0);
    close(writer, "the writer");
    let reader = read_only(&path);
    load(&reader).expect("load on a read-only file");
    assert_eq!(changes(&reader, 0), expected);
    assert_eq!(one::<i64>(&reader, "SELECT crsql_db_version()"), 4);
    assert_eq!(one::<Vec<u8>>(&reader, "SELECT crsql_site_id()").len(), 16);
    for sql in [
        "INSERT INTO t VALUES (3, 3, 3)",
        "INSERT INTO crsql_changes VALUES ('t', x'010905', 'a', 1, 1, 1, x'01', 1, 0)",
    ] {
        let error = reader.execute_batch(sql).expect_err(sql);
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::ReadOnly),
            "{sql}: {error}"
        );
    }
    assert_eq!(changes(&reader, 0), expected);
    close(reader, "the reader");
}

#[test]
fn a_read_only_file_without_bookkeeping_refuses_the_load() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let writer = Connection::open(&path).expect("open");
    exec(
        &writer,
        "CREATE TABLE plain(a); INSERT INTO plain VALUES (1)",
    );
    drop(writer);
    let reader = read_only(&path);
    for _ in 0..3 {
        load(&reader).expect_err("nowhere to keep the bookkeeping");
    }
    assert_nothing_registered(&reader);
    assert_eq!(one::<i64>(&reader, "SELECT a FROM plain"), 1);
    refusal(&reader, "SELECT crsql_site_id()");
    close(reader, "after failed loads");
}

#[test]
fn a_failed_load_can_be_repeated_where_it_works() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let (blocker, connection) = (
        Connection::open(&path).expect("open"),
        Connection::open(&path).expect("open"),
    );
    connection
        .busy_timeout(std::time::Duration::ZERO)
        .expect("no waiting");
    exec(&blocker, "CREATE TABLE plain(a); BEGIN EXCLUSIVE");
    load(&connection).expect_err("the file is locked");
    exec(&blocker, "COMMIT");
    assert_nothing_registered(&connection);
    assert_eq!(
        rows(&connection, "SELECT name FROM sqlite_master"),
        [[Value::Text("plain".into())]]
    );
    load(&connection).expect("load now");
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    check(&connection, &["t"]);
}

#[test]
fn closing_needs_no_finalize() {
    let other = open_memory();
    create_crr(&other, "t", TABLE);
    exec(&other, "INSERT INTO t VALUES (1, 2, 3), (5, 6, 7)");
    for finalize in [false, true] {
        let connection = open_memory();
        create_crr(&connection, "t", TABLE);
        exec(
            &connection,
            "SELECT crsql_config_set('merge-equal-values', 1)",
        );
        exec(
            &connection,
            "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 4; REPLACE INTO t VALUES (1, 2, 3); DELETE FROM t",
        );
        exec(
            &connection,
            "INSERT INTO t VALUES (5, 6, 7); UPDATE t SET k = 8",
        );
        merge(&connection, &changes(&other, 0));
        assert!(!changes(&connection, 0).is_empty());
        connection
            .execute_batch(
                "INSERT INTO crsql_changes VALUES ('t', x'00', 'a', 1, 1, 1, x'01', 1, 0)",
            )
            .expect_err("a bad key");
        if finalize {
            for _ in 0..2 {
                assert_eq!(
                    one::<String>(&connection, "SELECT crsql_finalize()"),
                    "finalized"
                );
            }
        }
        close(connection, &format!("finalize: {finalize}"));
    }
}

#[test]
fn closing_in_the_middle_of_a_transaction_rolls_it_back() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = open(&path);
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); BEGIN; SAVEPOINT s; UPDATE t SET a = 4; INSERT INTO t VALUES (2, 3, 4)",
    );
    close(connection, "with an open transaction");
    let connection = open(&path);
    assert_eq!(
        content(&connection, "t"),
        ["Integer(1)|Integer(2)|Integer(3)|"]
    );
    check(&connection, &["t"]);
}

#[test]
fn a_finalized_connection_keeps_working() {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(&connection, "BEGIN; INSERT INTO t VALUES (1, 2, 3)");
    assert_eq!(
        one::<String>(&connection, "SELECT crsql_finalize()"),
        "finalized"
    );
    exec(
        &connection,
        "UPDATE t SET a = 4; COMMIT; INSERT INTO t VALUES (2, 3, 4)",
    );
    assert_eq!(
        one::<String>(&connection, "SELECT crsql_finalize(1, 'two')"),
        "finalized"
    );
    exec(&connection, "DELETE FROM t WHERE k = 1");
    check(&connection, &["t"]);
    close(connection, "after working on");
}

#[test]
fn the_library_can_be_unloaded_and_loaded_again() {
    // Closing the last connection unmaps the library: nothing of it may be left to be called.
    for round in 0..20 {
        std::thread::spawn(move || {
            let connection = open_memory();
            create_crr(&connection, "t", TABLE);
            exec(&connection, "INSERT INTO t VALUES (1, 2, 3); DELETE FROM t");
            close(connection, &format!("round {round}"));
        })
        .join()
        .expect("a thread that ends");
    }
}

#[test]
fn the_oldest_supported_sqlite_and_the_newest_share_a_file() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let shell = |sql: &str| -> String {
        let load = format!(".load {} sqlite3_crsql_init", extension_path().display());
        let output = Command::new(sqlite3_shell())
            .arg("-batch")
            .arg(&path)
            .args(["-cmd", &load])
            .arg(sql)
            .output()
            .expect("run the shell");
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    };
    assert!(
        rusqlite::version_number() >= 3_054_000,
        "bundled {}",
        rusqlite::version()
    );
    assert_eq!(
        shell("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b); SELECT crsql_as_crr('t');"),
        "OK"
    );
    shell("INSERT INTO t VALUES ('x', 1, 2), ('y', 3, 4); UPDATE t SET k = 'z' WHERE k = 'x';");
    let connection = open(&path);
    check(&connection, &["t"]);
    exec(
        &connection,
        "UPDATE t SET a = 9 WHERE k = 'y'; DELETE FROM t WHERE k = 'z'; INSERT INTO t VALUES ('w', NULL, 0.5)",
    );
    let expected = one::<String>(
        &connection,
        "SELECT group_concat(hex(pk) || cid || quote(val) || col_version || db_version || cl || seq) FROM crsql_changes",
    );
    close(connection, "the newest");
    let seen = shell(
        "SELECT group_concat(hex(pk) || cid || quote(val) || col_version || db_version || cl || seq) FROM crsql_changes;",
    );
    assert_eq!(seen, expected);
    assert_eq!(
        shell("INSERT INTO t VALUES ('v', 1, 1); SELECT crsql_db_version();"),
        "6"
    );
}

#[test]
fn an_upgrade_on_one_connection_is_captured_on_another() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let (first, second) = (open(&path), open(&path));
    exec(&first, TABLE);
    exec(
        &second,
        "SELECT count(*) FROM crsql_changes; INSERT INTO t VALUES (1, 2, 3)",
    );
    upgrade(&first, "t");
    exec(&second, "INSERT INTO t VALUES (2, 3, 4)");
    exec(&first, "UPDATE t SET a = 5");
    exec(&second, "DELETE FROM t WHERE k = 1");
    check(&first, &["t"]);
    check(&second, &["t"]);
    let versions = rows(&first, "SELECT DISTINCT db_version FROM crsql_changes");
    assert_eq!(
        versions,
        [
            [Value::Integer(2)],
            [Value::Integer(3)],
            [Value::Integer(4)]
        ]
    );
}

#[test]
fn a_connection_without_the_extension_reads_but_cannot_write_uncaptured() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let with = open(&path);
    create_crr(&with, "t", TABLE);
    exec(
        &with,
        "INSERT INTO t VALUES (1, 2, 3); CREATE TABLE plain(a)",
    );
    let without = Connection::open(&path).expect("open");
    assert_eq!(content(&without, "t").len(), 1);
    exec(&without, "INSERT INTO plain VALUES (1)");
    for sql in [
        "INSERT INTO t VALUES (2, 3, 4)",
        "REPLACE INTO t VALUES (1, 3, 4)",
        "UPDATE t SET a = 3",
        "UPDATE t SET k = 3",
        "DELETE FROM t",
        "UPDATE t SET a = 2",
    ] {
        let error = without.execute_batch(sql).expect_err(sql);
        assert!(
            text_of(&error).contains("no such function: crsql_"),
            "{sql}: {error}"
        );
    }
    check(&with, &["t"]);
    assert_eq!(changes(&with, 0).len(), 2);
}
