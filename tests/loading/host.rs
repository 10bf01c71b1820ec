//! Hosts with another SQLite than the one of the tests: too old, or built without optional parts.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use rusqlite::Connection;

use crate::checks::{check, create_crr, exec, one, rows};
use crate::hosts::{LIBVERSION, LIBVERSION_NUMBER, ROUTINES, Routines, host, routines};
use crate::support::{changes, merge};

#[test]
fn a_host_without_optional_routines_and_younger_ones() {
    let host = host();
    let table = Routines::without_optional_ones();
    let connection = Connection::open_in_memory().expect("open");
    host.load(&connection, table).expect("load");
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES ('x', 1, 2); UPDATE t SET k = 'y'; REPLACE INTO t VALUES ('y', 3, 4); DELETE FROM t; INSERT INTO t VALUES ('z', 1, 1)",
    );
    let replica = check(&connection, &["t"]);
    exec(&replica, "UPDATE t SET a = 'there'");
    merge(&connection, &changes(&replica, 0));
    connection
        .execute_batch("INSERT INTO crsql_changes VALUES ('t', NULL, 'a', 1, 1, 1, x'01', 1, 0)")
        .expect_err("a bad key");
    connection
        .execute_batch("DELETE FROM crsql_changes")
        .expect_err("no deleting");
    assert_eq!(one::<String>(&connection, "SELECT a FROM t"), "there");
    connection
        .close()
        .map_err(|(_, error)| error)
        .expect("close");
}

#[test]
fn an_sqlite_that_is_too_old_is_refused_before_anything_younger_is_touched() {
    unsafe extern "C" fn too_old() -> c_int {
        3_039_004
    }
    unsafe extern "C" fn its_name() -> *const c_char {
        c"3.39.4".as_ptr()
    }
    let host = host();
    let mut table = Routines([ptr::null(); ROUTINES]);
    table.0[LIBVERSION_NUMBER] = too_old as *const c_void;
    table.0[LIBVERSION] = its_name as *const c_void;
    let real = routines();
    // What a refusal needs to hand over its text.
    for routine in [58, 68, 69, 114, 197] {
        table.0[routine] = real.0[routine];
    }
    let connection = Connection::open_in_memory().expect("open");
    let text = host.load(&connection, table).expect_err("SQLite 3.39.4");
    assert!(text.contains("3.39.4") && text.contains("3.40"), "{text}");
    assert!(
        rows(
            &connection,
            "SELECT name FROM pragma_function_list WHERE name LIKE 'crsql%'"
        )
        .is_empty()
    );
    assert!(rows(&connection, "SELECT name FROM sqlite_master").is_empty());
    connection
        .close()
        .map_err(|(_, error)| error)
        .expect("close");
}
