//! Ordered tables whose schema changes, and the objects of other times and other extensions.

use rusqlite::Connection;

use crate::checks::{check_partial, create_crr, exec, one, refusal, upgrade};
use crate::support::{load, open, open_memory, scratch_dir};
use crate::{column, objects, objects_of, order, ordered};

const CREATE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, list, pos, txt)";

fn replicated() -> Connection {
    let connection = open_memory();
    create_crr(&connection, "t", CREATE);
    order(&connection, "'t', 'pos', 'list'");
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'l', 1, 'x'), (2, 'l', 1, 'y')",
    );
    connection
}

/// Objects like those that are in a database of cr-sqlite: its names, and calls of the same functions.
fn foreign(connection: &Connection, table: &str, order_column: &str) {
    exec(
        connection,
        &format!(
            "CREATE TRIGGER __crsql_{table}_fractindex_pend_trig AFTER INSERT ON {table} WHEN NEW.pos IN (-1, 1) BEGIN
               UPDATE {table} SET pos = CASE NEW.pos
                 WHEN 1 THEN crsql_fract_key_between((SELECT max(pos) FROM {table} WHERE pos <> 1), NULL)
                 ELSE crsql_fract_key_between(NULL, (SELECT min(pos) FROM {table} WHERE pos <> -1)) END
               WHERE _rowid_ = NEW._rowid_;
             END;
             CREATE TRIGGER __crsql_{table}_fractindex_ezmove AFTER UPDATE OF pos ON {table} WHEN NEW.pos IN (-1, 1) BEGIN
               UPDATE {table} SET pos = NULL WHERE k = NEW.k;
             END;
             CREATE VIEW {table}_fractindex AS SELECT *, NULL AS after_k FROM {table};
             CREATE TRIGGER {table}_fractindex_insert_trig INSTEAD OF INSERT ON {table}_fractindex BEGIN
               INSERT INTO {table}(k, pos) SELECT NEW.k, crsql_fract_key_between(
                   crsql_fract_fix_conflict_return_old_key('{table}', '{order_column}', 'list', -1, 'k', NEW.after_k), NULL);
             END;
             CREATE TRIGGER {table}_fractindex_update_trig INSTEAD OF UPDATE ON {table}_fractindex BEGIN
               UPDATE {table} SET txt = NEW.txt WHERE k = NEW.k;
             END"
        ),
    );
}

#[test]
fn objects_of_cr_sqlite_work_and_are_replaced() {
    for call in [
        "SELECT crsql_fract_as_ordered('t', 'pos', 'list')",
        "SELECT crsql_as_crr('t')",
        "SELECT crsql_as_table('t')",
    ] {
        let connection = open_memory();
        exec(&connection, CREATE);
        foreign(&connection, "t", "pos");
        exec(&connection, "INSERT INTO t(k, pos) VALUES (1, 1), (2, 1)");
        exec(
            &connection,
            "INSERT INTO t_fractindex(k, after_k) VALUES (3, 2)",
        );
        assert_eq!(
            column(&connection, "SELECT k || pos FROM t ORDER BY pos"),
            ["1a ", "2a P", "3a\""]
        );
        exec(&connection, call);
        assert_eq!(objects(&connection), objects_of("t"), "{call}");
        exec(&connection, "UPDATE t SET pos = 1 WHERE k = 1");
        assert_eq!(
            column(&connection, "SELECT k FROM t_fractindex ORDER BY pos"),
            ["2", "3", "1"]
        );
    }
}

#[test]
fn objects_of_cr_sqlite_follow_an_alter_session() {
    let connection = open_memory();
    create_crr(&connection, "t", CREATE);
    foreign(&connection, "t", "pos");
    exec(&connection, "SELECT crsql_begin_alter('t')");
    exec(&connection, "ALTER TABLE t DROP COLUMN txt");
    exec(&connection, "SELECT crsql_commit_alter('t')");
    assert_eq!(objects(&connection), objects_of("t"));
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'l', 1), (2, 'l', -1)",
    );
    assert_eq!(
        column(&connection, "SELECT k FROM t_fractindex ORDER BY pos"),
        ["2", "1"]
    );
}

#[test]
fn a_table_ordered_by_nobody_knows_what_is_refused_by_a_session() {
    let connection = open_memory();
    create_crr(&connection, "t", CREATE);
    foreign(&connection, "t", "renamed since");
    let refused = refusal(&connection, "SELECT crsql_begin_alter('t')");
    assert_eq!(
        refused,
        "crsql: table \"t\" is ordered, but its triggers don't say by which columns; call crsql_fract_as_ordered \
         for it, with its order column and list columns"
    );
    upgrade(&connection, "t");
    exec(
        &connection,
        "UPDATE t_fractindex SET txt = 'still served' WHERE k = 1",
    );
    order(&connection, "'t', 'pos', 'list'");
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); SELECT crsql_commit_alter('t')",
    );
    assert_eq!(objects(&connection), objects_of("t"));
}

#[test]
fn automigrate_keeps_the_order() {
    const WANTED: &str = "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, pos, more)";
    for (is_replicated, is_foreign) in [(false, false), (true, false), (false, true), (true, true)]
    {
        let connection = open_memory();
        exec(&connection, CREATE);
        if is_replicated {
            upgrade(&connection, "t");
        }
        if is_foreign {
            foreign(&connection, "t", "pos");
        } else {
            order(&connection, "'t', 'pos', 'list'");
        }
        exec(
            &connection,
            "INSERT INTO t VALUES (1, 'l', 'a ', 'x'), (2, 'm', 'a ', 'y')",
        );
        one::<String>(
            &connection,
            &format!("SELECT crsql_automigrate('{WANTED}')"),
        );
        assert_eq!(objects(&connection), objects_of("t"));
        exec(&connection, "INSERT INTO t VALUES (3, 1, 'z')");
        exec(
            &connection,
            "INSERT INTO t_fractindex(k, more, after_k) VALUES (4, 'z', 1)",
        );
        // The two lists are one now: the rows that met make room.
        assert_eq!(
            column(&connection, "SELECT k || pos FROM t ORDER BY pos"),
            ["1Z~", "4Z~P", "2a ", "3a!"]
        );
    }
}

#[test]
fn tables_that_swapped_their_names_are_told_apart() {
    let connection = open_memory();
    ordered(
        &connection,
        "CREATE TABLE a(k INTEGER PRIMARY KEY, p)",
        "'a', 'p'",
    );
    ordered(
        &connection,
        "CREATE TABLE b(k INTEGER PRIMARY KEY, q)",
        "'b', 'q'",
    );
    exec(
        &connection,
        "ALTER TABLE a RENAME TO x; ALTER TABLE b RENAME TO a; ALTER TABLE x RENAME TO b",
    );
    order(&connection, "'a', 'q'");
    let mut expected = [objects_of("a"), objects_of("b")].concat();
    expected.sort();
    assert_eq!(objects(&connection), expected);
    exec(&connection, "INSERT INTO a VALUES (1, 1), (2, -1)");
    exec(&connection, "INSERT INTO b VALUES (1, 1), (2, 1)");
    exec(
        &connection,
        "INSERT INTO b_fractindex(k, after_k) VALUES (3, 1)",
    );
    assert_eq!(
        column(&connection, "SELECT k FROM a ORDER BY q"),
        ["2", "1"]
    );
    assert_eq!(
        column(&connection, "SELECT k FROM b ORDER BY p"),
        ["1", "3", "2"]
    );
}

#[test]
fn a_new_table_of_an_old_name_leaves_the_renamed_one_ordered() {
    let connection = open_memory();
    ordered(&connection, CREATE, "'t', 'pos', 'list'");
    exec(&connection, "ALTER TABLE t RENAME TO former");
    ordered(&connection, CREATE, "'t', 'pos'");
    exec(
        &connection,
        "INSERT INTO former VALUES (1, 'l', 1, ''), (2, 'm', 1, '')",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'l', 1, ''), (2, 'm', 1, '')",
    );
    assert_eq!(column(&connection, "SELECT pos FROM former"), ["a ", "a "]);
    assert_eq!(column(&connection, "SELECT pos FROM t"), ["a ", "a!"]);

    exec(
        &connection,
        "CREATE TABLE z(k INTEGER PRIMARY KEY, list, pos, txt)",
    );
    foreign(&connection, "z", "renamed since");
    exec(&connection, "ALTER TABLE z RENAME TO zz");
    exec(&connection, "CREATE TABLE z(k INTEGER PRIMARY KEY, pos)");
    let refused = refusal(&connection, "SELECT crsql_fract_as_ordered('z', 'pos')");
    assert!(
        refused.starts_with("crsql: table \"zz\" is ordered, but its triggers don't say"),
        "{refused}"
    );
    assert_eq!(
        one::<i64>(&connection, "SELECT count(*) FROM z_fractindex"),
        0
    );
}

#[test]
fn a_failed_or_undone_ordering_leaves_what_was() {
    let connection = open_memory();
    ordered(&connection, CREATE, "'t', 'pos', 'list'");
    exec(
        &connection,
        "CREATE TABLE u(k INTEGER PRIMARY KEY, pos); CREATE VIEW u_fractindex AS SELECT 1",
    );
    let before = objects(&connection);
    exec(&connection, "BEGIN");
    refusal(&connection, "SELECT crsql_fract_as_ordered('u', 'pos')");
    order(&connection, "'t', 'txt'");
    exec(&connection, "ROLLBACK");
    assert_eq!(objects(&connection), before);
    exec(
        &connection,
        "INSERT INTO t(k, list, pos) VALUES (1, 'l', 1)",
    );
    assert_eq!(column(&connection, "SELECT pos FROM t"), ["a "]);
}

#[test]
fn a_view_or_trigger_that_was_dropped_is_made_again() {
    let connection = open_memory();
    ordered(&connection, CREATE, "'t', 'pos', 'list'");
    for drop in [
        "DROP VIEW t_fractindex",
        "DROP TRIGGER __crsql_t_fractindex_ezmove",
        "DROP TRIGGER __crsql_t_fractindex_columns",
        "DROP TRIGGER t_fractindex_move_trig",
    ] {
        exec(&connection, drop);
        order(&connection, "'t', 'pos', 'list'");
        assert_eq!(objects(&connection), objects_of("t"), "{drop}");
    }
}

#[test]
fn sessions_nest_and_only_the_last_one_orders_again() {
    let connection = replicated();
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); SELECT crsql_begin_alter('t')",
    );
    exec(&connection, "ALTER TABLE t DROP COLUMN txt");
    exec(&connection, "SELECT crsql_commit_alter('t')");
    assert_eq!(objects(&connection), ["__crsql_t_fractindex_columns"]);
    exec(&connection, "ALTER TABLE t ADD COLUMN more");
    exec(&connection, "SELECT crsql_commit_alter('t')");
    assert_eq!(objects(&connection), objects_of("t"));
    exec(
        &connection,
        "INSERT INTO t_fractindex(k, list, more, after_k) VALUES (3, 'l', 'm', 1)",
    );
    assert_eq!(
        column(&connection, "SELECT k FROM t ORDER BY pos"),
        ["1", "3", "2"]
    );
    check_partial(&connection, &["t"]);
}

#[test]
fn a_session_that_fails_brings_the_view_back() {
    let connection = replicated();
    exec(&connection, "BEGIN; SELECT crsql_begin_alter('t')");
    exec(
        &connection,
        "ALTER TABLE t DROP COLUMN txt; CREATE UNIQUE INDEX t_by_list ON t(list, k)",
    );
    refusal(&connection, "SELECT crsql_commit_alter('t')");
    exec(&connection, "COMMIT");
    assert_eq!(objects(&connection), objects_of("t"));
    exec(
        &connection,
        "INSERT INTO t_fractindex(k, list, txt, after_k) VALUES (3, 'l', 'still here', 1)",
    );
}

#[test]
fn rows_written_in_a_session_that_commit_ends_are_placed_and_recorded() {
    let connection = replicated();
    exec(
        &connection,
        "BEGIN;
         SELECT crsql_begin_alter('t');
         ALTER TABLE t DROP COLUMN txt;
         INSERT INTO t VALUES (3, 'l', 1), (4, 'l', -1), (5, 'm', 1);
         SAVEPOINT inner;
         UPDATE t SET pos = 1 WHERE k = 1;
         COMMIT",
    );
    assert_eq!(objects(&connection), objects_of("t"));
    let first: Vec<String> = column(&connection, "SELECT k FROM t WHERE list = 'l' ORDER BY pos");
    assert_eq!(first.first().map(String::as_str), Some("4"));
    assert_eq!(first.len(), 4);
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM crsql_changes WHERE cid = 'pos' AND typeof(val) <> 'text'"
        ),
        0
    );
    check_partial(&connection, &["t"]);
}

#[test]
fn ordering_by_other_columns_inside_a_session_is_kept() {
    let connection = replicated();
    exec(&connection, "SELECT crsql_begin_alter('t')");
    exec(&connection, "ALTER TABLE t DROP COLUMN list");
    exec(&connection, "INSERT INTO t(k, pos) VALUES (9, 1)");
    order(&connection, "'t', 'pos', 'txt'");
    exec(&connection, "SELECT crsql_commit_alter('t')");
    assert_eq!(objects(&connection), objects_of("t"));
    exec(&connection, "INSERT INTO t(k, txt, pos) VALUES (3, 'x', 1)");
    assert_eq!(
        column(&connection, "SELECT k || pos FROM t ORDER BY k"),
        ["1a ", "2a!", "3a!", "9a "]
    );
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM crsql_master WHERE key LIKE 'fract%'"
        ),
        0
    );
}

#[test]
fn a_table_dropped_in_a_session_or_outside_leaves_nothing() {
    for statements in [
        "DROP TABLE t; SELECT crsql_as_crr('u')",
        "DROP TABLE t; SELECT crsql_fract_as_ordered('u', 'pos')",
        "DROP TABLE t; SELECT crsql_as_crr('u'); SELECT crsql_begin_alter('u'); SELECT crsql_commit_alter('u')",
        "BEGIN; SELECT crsql_begin_alter('t'); DROP TABLE t; COMMIT",
    ] {
        let connection = replicated();
        exec(&connection, "CREATE TABLE u(k INTEGER PRIMARY KEY, pos)");
        exec(&connection, statements);
        let left = objects(&connection);
        assert!(
            left.iter().all(|name| name.contains("u_fract")),
            "{statements}: {left:?}"
        );
        assert_eq!(
            one::<i64>(
                &connection,
                "SELECT count(*) FROM crsql_master WHERE key LIKE 'fract%'"
            ),
            0,
            "{statements}"
        );
        exec(&connection, "ALTER TABLE u RENAME TO v");
        exec(&connection, CREATE);
        upgrade(&connection, "t");
        assert_eq!(objects(&connection).len(), left.len(), "{statements}");
    }
}

#[test]
fn a_table_made_ordinary_after_a_session_stays_ordered() {
    let connection = replicated();
    exec(&connection, "SELECT crsql_begin_alter('t')");
    exec(&connection, "ALTER TABLE t DROP COLUMN txt");
    let text = refusal(&connection, "SELECT crsql_as_table('t')");
    assert!(text.contains("is in an alter session"), "{text}");
    exec(&connection, "SELECT crsql_commit_alter('t')");
    exec(&connection, "SELECT crsql_as_table('t')");
    assert_eq!(objects(&connection), objects_of("t"));
    exec(&connection, "INSERT INTO t VALUES (3, 'l', -1)");
    assert_eq!(
        column(&connection, "SELECT k FROM t ORDER BY pos"),
        ["3", "1", "2"]
    );
}

#[test]
fn views_of_the_application_with_such_names_are_left_alone() {
    let connection = open_memory();
    exec(
        &connection,
        "CREATE VIEW mine_fractindex AS SELECT * FROM missing;
         CREATE TRIGGER mine_insert INSTEAD OF INSERT ON mine_fractindex BEGIN SELECT 1; END",
    );
    ordered(&connection, CREATE, "'t', 'pos'");
    assert!(objects(&connection).contains(&"mine_fractindex".to_owned()));
}

#[test]
fn every_connection_orders_alike() {
    let directory = scratch_dir();
    let path = directory.join("lists.db");
    let first = open(&path);
    create_crr(&first, "t", CREATE);
    let second = open(&path);
    order(&first, "'t', 'pos', 'list'");
    exec(&second, "INSERT INTO t VALUES (1, 'l', 1, '')");
    exec(&first, "ALTER TABLE t ADD COLUMN more");
    exec(
        &second,
        "INSERT INTO t(k, list, pos, more) VALUES (2, 'l', 1, 'm')",
    );
    exec(
        &first,
        "INSERT INTO t_fractindex(k, list, more, after_k) VALUES (3, 'l', 'n', 1)",
    );
    drop(first);
    drop(second);
    let third = open(&path);
    assert_eq!(
        column(&third, "SELECT k FROM t_fractindex ORDER BY pos"),
        ["1", "3", "2"]
    );
    check_partial(&third, &["t"]);
}

#[test]
fn a_load_that_was_rolled_back_orders_ordinary_tables() {
    let connection = Connection::open_in_memory().expect("open a database in memory");
    exec(&connection, "BEGIN");
    load(&connection).expect("load the extension");
    exec(&connection, "ROLLBACK");
    ordered(&connection, CREATE, "'t', 'pos'");
    exec(&connection, "INSERT INTO t(k, pos) VALUES (1, 1)");
    assert_eq!(column(&connection, "SELECT pos FROM t"), ["a "]);
}
