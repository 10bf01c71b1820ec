//! Tables that lost triggers, or changed otherwise: found under their names, and captured again.

use crate::checks::{create_crr, exec, one, refusal, rows};
use crate::support::{changes, load, open, open_memory, scratch_dir};
use crate::{adopt, assert_clean, problems};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

fn prepared() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)",
    );
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); UPDATE t SET a = 'B' WHERE k = 2",
    );
    connection
}

pub fn drop_triggers(connection: &Connection, table: &str) {
    let list = format!(
        "SELECT group_concat('DROP TRIGGER \"' || name || '\"', ';') FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"
    );
    let drops: String = one(connection, &list);
    exec(connection, &drops);
}

#[test]
fn every_trigger_is_missed() {
    for table in ["wide", "keyed"] {
        let connection = open_memory();
        let columns: Vec<String> = (0..130).map(|n| format!("c{n}")).collect();
        let create = format!(
            "CREATE TABLE wide(k INTEGER PRIMARY KEY, {})",
            columns.join(", ")
        );
        create_crr(&connection, "wide", &create);
        create_crr(
            &connection,
            "keyed",
            "CREATE TABLE keyed(k TEXT PRIMARY KEY NOT NULL, a)",
        );
        let names = rows(
            &connection,
            &format!(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"
            ),
        );
        assert!(names.len() >= 7, "{names:?}");
        for name in names {
            let [rusqlite::types::Value::Text(name)] = &name[..] else {
                panic!("no name")
            };
            exec(&connection, &format!("DROP TRIGGER \"{name}\""));
            let found = problems(&connection);
            assert_eq!(found, [format!("{table}||trigger missing")], "{name}");
            assert_eq!(adopt(&connection, table), 0);
            assert_clean(&connection, name);
        }
        exec(
            &connection,
            "INSERT INTO keyed VALUES ('x', 1); INSERT INTO wide(k) VALUES (1)",
        );
        assert_eq!(changes(&connection, 0).len(), 131);
    }
}

#[test]
fn altered_and_foreign_triggers_are_found_and_replaced() {
    let connection = prepared();
    exec(
        &connection,
        "DROP TRIGGER crsql_1_delete; CREATE TRIGGER crsql_1_delete AFTER DELETE ON t BEGIN SELECT 1; END;
         CREATE TRIGGER crsql_1_other AFTER DELETE ON t BEGIN SELECT 1; END;",
    );
    exec(&connection, "DELETE FROM t WHERE k = 1");
    assert_eq!(
        problems(&connection),
        [
            "t||trigger altered",
            "t||trigger altered",
            "t|1|row missing"
        ]
    );
    assert_eq!(adopt(&connection, "t"), 1);
    assert_clean(&connection, "adopted");
    exec(&connection, "DELETE FROM t WHERE k = 2");
    assert_clean(&connection, "captured again");
}

#[test]
fn renamed_tables_and_keys_are_as_they_should_be() {
    let connection = open_memory();
    create_crr(
        &connection,
        "a \"b\"",
        "CREATE TABLE \"a \"\"b\"\"\"(k TEXT NOT NULL, \"the n\" INT NOT NULL, v, PRIMARY KEY (\"the n\", k))",
    );
    exec(
        &connection,
        "ALTER TABLE \"a \"\"b\"\"\" RENAME TO c; ALTER TABLE c RENAME \"the n\" TO n; ALTER TABLE c RENAME k TO \"k k\";
         INSERT INTO c VALUES ('x', 1, 2)",
    );
    assert_clean(&connection, "renamed");
    assert_eq!(adopt(&connection, "C"), 0);
    drop_triggers(&connection, "c");
    exec(&connection, "INSERT INTO c VALUES ('y', 1, 2)");
    assert_eq!(
        problems(&connection),
        ["c||trigger missing", "c|1, 'y'|row not recorded"]
    );
    assert_eq!(adopt(&connection, "c"), 1);
    assert_clean(&connection, "found under its new name");
}

/// While a table has no insert trigger its changes are not shown, and a peer's cursor moves past them.
#[test]
fn what_peers_could_not_see_is_shown_again() {
    let connection = prepared();
    let all = changes(&connection, 0);
    drop_triggers(&connection, "t");
    assert_eq!(changes(&connection, 0), [], "hidden");
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, a)");
    exec(&connection, "INSERT INTO u VALUES (1, 1)");
    let cursor: i64 = one(&connection, "SELECT max(db_version) FROM crsql_changes");
    assert_eq!(adopt(&connection, "t"), 0);
    let without_place = |changes: Vec<crate::support::Change>| -> Vec<_> {
        let mut texts: Vec<String> = changes
            .into_iter()
            .map(|c| {
                format!(
                    "{:?} {} {:?} {} {} {:?}",
                    c.pk, c.cid, c.val, c.col_version, c.cl, c.site_id
                )
            })
            .collect();
        texts.sort();
        texts
    };
    assert_eq!(
        without_place(changes(&connection, cursor)),
        without_place(all)
    );
    assert_clean(&connection, "shown again");
}

#[test]
fn a_table_made_replicated_elsewhere_keeps_one_without_triggers() {
    let connection = prepared();
    drop_triggers(&connection, "t");
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, a)");
    assert_eq!(problems(&connection), ["t||trigger missing"]);
    assert_eq!(adopt(&connection, "t"), 0);
    let version = "SELECT col_version FROM crsql_changes WHERE cid = 'a' AND val = 'B'";
    assert_eq!(one::<i64>(&connection, version), 2, "its clocks are there");
}

#[test]
fn a_table_that_begins_anew_forgets_its_clocks() {
    let connection = prepared();
    exec(
        &connection,
        "DROP TABLE t; CREATE TABLE t(k INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'other')",
    );
    assert_eq!(
        problems(&connection)[..2],
        ["t||trigger missing", "t||columns differ"]
    );
    let refused = refusal(&connection, "SELECT crsql_adopt('t')");
    assert_eq!(
        refused,
        "crsql: table \"t\" has another key or other columns than it had when it lost its triggers; make it as it was, or \
         call crsql_as_crr('t') to begin anew"
    );
    exec(&connection, "SELECT crsql_as_crr('t')");
    assert_clean(&connection, "made replicated again");
    assert_eq!(changes(&connection, 0).len(), 1);
    exec(&connection, "DROP TABLE t");
    assert_clean(&connection, "a dropped table is no problem");
}

#[test]
fn late_columns_stay_unset_where_they_were() {
    let connection = prepared();
    exec(&connection, "ALTER TABLE t ADD COLUMN late DEFAULT 'd'");
    assert_clean(&connection, "not registered yet");
    exec(
        &connection,
        "UPDATE t SET late = 'set' WHERE k = 2; INSERT INTO t(k) VALUES (3)",
    );
    assert_clean(&connection, "registered");
    crate::unrecorded(
        &connection,
        "INSERT INTO t(k) VALUES (4); INSERT INTO t(k, late) VALUES (5, 'other'); DELETE FROM t WHERE k = 3",
    );
    assert_eq!(
        problems(&connection),
        [
            "t|3|row missing",
            "t|4|row not recorded",
            "t|5|row not recorded"
        ]
    );
    assert_eq!(adopt(&connection, "t"), 3);
    assert_clean(&connection, "adopted");
    let of_late = "SELECT group_concat((SELECT cell FROM crsql_unpack_columns(pk)) || ':' || val || ':' || col_version) \
         FROM (SELECT * FROM crsql_changes WHERE cid = 'late' ORDER BY pk)";
    let set = "2:set:1,4:d:1,5:other:1";
    assert_eq!(one::<String>(&connection, of_late), set);
    drop_triggers(&connection, "t");
    assert_eq!(adopt(&connection, "t"), 0);
    assert_clean(&connection, "shown again");
    assert_eq!(one::<String>(&connection, of_late), set);
    // Without its log entry nothing is known of row 1: it is one that was written without capture.
    exec(&connection, "DELETE FROM crsql_log");
    assert_eq!(adopt(&connection, "t"), 5);
    assert_clean(&connection, "with a log made again");
    let all = format!("1:d:1,{set}");
    assert_eq!(one::<String>(&connection, of_late), all);
}

#[test]
fn columns_come_and_go_without_a_problem() {
    let connection = prepared();
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME b TO c; ALTER TABLE t ADD COLUMN d",
    );
    assert_clean(&connection, "in a session");
    assert_eq!(
        refusal(&connection, "SELECT crsql_adopt('t')"),
        "crsql: table \"t\" is in an alter session; call crsql_commit_alter('t') first"
    );
    exec(
        &connection,
        "UPDATE t SET d = 1; SELECT crsql_commit_alter('t')",
    );
    assert_clean(&connection, "after it");
    exec(
        &connection,
        "ALTER TABLE t RENAME c TO e; ALTER TABLE t ADD COLUMN f; ALTER TABLE t RENAME TO u",
    );
    assert_clean(&connection, "altered plainly");
    assert_eq!(adopt(&connection, "u"), 0);
    let captured = "SELECT min(is_captured) FROM crsql_columns";
    assert_eq!(
        one::<i64>(&connection, captured),
        1,
        "by triggers that name them"
    );
    exec(&connection, "UPDATE u SET f = 1, e = 2");
    assert_clean(&connection, "written");
    exec(
        &connection,
        "SELECT crsql_site_id_reset(); ALTER TABLE u ADD COLUMN g; UPDATE u SET g = 1",
    );
    assert_clean(&connection, "after a reset");
}

#[test]
fn a_reset_in_a_session_keeps_it() {
    let connection = prepared();
    exec(
        &connection,
        "SELECT crsql_begin_alter('t'); ALTER TABLE t DROP COLUMN a; SELECT crsql_site_id_reset(); UPDATE t SET b = 9;
         SELECT crsql_commit_alter('t'); UPDATE t SET b = 10",
    );
    assert_clean(&connection, "committed");
    let mine = "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()";
    assert_eq!(one::<i64>(&connection, mine), 2);
}

#[test]
fn a_table_that_could_not_be_made_replicated_cannot_be_adopted() {
    let connection = prepared();
    exec(
        &connection,
        "CREATE UNIQUE INDEX once ON t(a); DROP TRIGGER crsql_1_insert",
    );
    let text = refusal(&connection, "SELECT crsql_adopt('t')");
    assert!(text.contains("UNIQUE"), "{text}");
    assert_eq!(problems(&connection), ["t||trigger missing"]);
}

#[test]
fn a_connection_that_records_nothing_is_found() {
    let connection = prepared();
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
        .expect("turn triggers off");
    exec(&connection, "INSERT INTO t VALUES (9, 9, 9)");
    assert_eq!(
        problems(&connection),
        ["||capture off", "t|9|row not recorded"]
    );
    assert_eq!(
        one::<String>(&connection, "SELECT crsql_check()"),
        "capture off: 1, row not recorded: 1"
    );
    assert_eq!(adopt(&connection, "t"), 1);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)
        .expect("turn triggers on");
    assert_clean(&connection, "on again");
    exec(&connection, "SELECT crsql_internal_sync_bit(1)");
    assert_eq!(problems(&connection), ["||capture off"]);
}

#[test]
fn a_file_that_cannot_be_written_can_be_checked() {
    let directory = scratch_dir();
    let path = directory.join("x.db");
    let writer = open(&path);
    create_crr(&writer, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    crate::unrecorded(&writer, "INSERT INTO t VALUES (1, 1)");
    drop(writer);
    let reader = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("open");
    load(&reader).expect("load");
    assert_eq!(problems(&reader), ["t|1|row not recorded"]);
    assert!(refusal(&reader, "SELECT crsql_adopt('t')").contains("readonly"));
}

#[test]
fn what_is_open_is_seen() {
    let connection = prepared();
    exec(
        &connection,
        "BEGIN; INSERT INTO t VALUES (5, 5, 5); UPDATE t SET b = 6; DELETE FROM t WHERE k = 1",
    );
    assert_clean(&connection, "in a transaction");
    crate::unrecorded(&connection, "DELETE FROM t WHERE k = 5");
    assert_eq!(problems(&connection), ["t|5|row missing"]);
    assert_eq!(adopt(&connection, "t"), 1);
    exec(&connection, "UPDATE t SET b = 7; COMMIT");
    assert_clean(&connection, "committed");
}

#[test]
fn joins_and_parameters_name_the_table() {
    let connection = prepared();
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, a)");
    crate::unrecorded(&connection, "DELETE FROM t; INSERT INTO u VALUES (1, 1)");
    let each = "SELECT count(*) FROM (VALUES ('t'), ('u')) AS name, crsql_check(name.column1)";
    assert_eq!(one::<i64>(&connection, each), 3);
    let one_table = "SELECT count(*) FROM crsql_check WHERE \"table\" = 'u'";
    assert_eq!(one::<i64>(&connection, one_table), 1);
    exec(
        &connection,
        "CREATE VIEW wrong AS SELECT * FROM crsql_check",
    );
    assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM wrong"), 3);
}
