//! Growth, life inside an application, and tables that cannot be replicated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{
    Follower, assert_same, check, content, create_crr, exec, one, refusal, rows, text_of,
};
use crate::support::{changes, merge, open, open_memory, scratch_dir};

const TABLE: &str = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

#[test]
fn complaint_17_a_dropped_replicated_table_does_not_break_the_others() {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, n)");
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); INSERT INTO u VALUES (1, 2); UPDATE u SET n = 3; INSERT INTO u VALUES (2, 2); DELETE FROM u WHERE k = 2",
    );
    let version: i64 = one(&connection, "SELECT crsql_db_version()");
    exec(&connection, "DROP TABLE u");
    check(&connection, &["t"]);
    assert!(
        changes(&connection, 0)
            .iter()
            .all(|change| change.table == "t")
    );
    exec(
        &connection,
        "UPDATE t SET a = 5; INSERT INTO t VALUES (2, 3, 4)",
    );
    assert!(one::<i64>(&connection, "SELECT crsql_db_version()") > version);
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, n)");
    exec(&connection, "INSERT INTO u VALUES (1, 'again')");
    let fresh: Vec<_> = changes(&connection, version)
        .into_iter()
        .filter(|change| change.table == "u")
        .map(|change| (change.cl, change.col_version))
        .collect();
    assert_eq!(fresh, [(1, 1)]);
    check(&connection, &["t", "u"]);
}

/// The size of a file database after its rows were inserted by `fill` and it was vacuumed.
fn size(name: &str, replicated: bool, create: &str, fill: &str) -> u64 {
    let directory = scratch_dir();
    let path = directory.join(name);
    let connection = if replicated {
        open(&path)
    } else {
        Connection::open(&path).expect("open")
    };
    exec(&connection, create);
    if replicated {
        one::<String>(&connection, "SELECT crsql_as_crr('t')");
    }
    exec(&connection, fill);
    drop(connection);
    std::fs::metadata(&path).expect("a file").len()
}

#[test]
fn complaint_22_a_row_that_nobody_contends_for_costs_a_fraction_of_itself() {
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)";
    for (key, value, limit) in [
        ("INTEGER PRIMARY KEY", "i", 1.35),
        (
            "TEXT PRIMARY KEY NOT NULL",
            "printf('%08x-%04x-4%03x-a%03x-%012x', i * 2654435761 % 4294967296, i % 65536, i % 4096, i % 4096, i)",
            1.45,
        ),
    ] {
        let create = format!("CREATE TABLE t(k {key}, a, b, c, d)");
        let fill = format!(
            "INSERT INTO t {numbers} SELECT {value}, 'name ' || i, i * 1.5, 'some text ' || i, i FROM n"
        );
        let [bare, replicated] =
            [false, true].map(|replicated| size("db", replicated, &create, &fill) as f64);
        assert!(
            replicated <= bare * limit,
            "{key}: {replicated} bytes, bare {bare}"
        );
        // A replica that was filled by merging is as small.
        let directory = scratch_dir();
        let path = directory.join("merged");
        let [origin, merged] = [open_memory(), open(&path)];
        for side in [&origin, &merged] {
            create_crr(side, "t", &create);
        }
        exec(&origin, &fill);
        merge(&merged, &changes(&origin, 0));
        assert_same(&origin, &merged, &["t"], "filled by merging");
        drop(merged);
        let merged = std::fs::metadata(&path).expect("a file").len() as f64;
        assert!(
            merged <= bare * limit,
            "{key}: {merged} bytes merged, bare {bare}"
        );
    }
}

#[test]
fn complaint_22_a_thousand_updates_of_a_row_cost_no_more_than_one() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let connection = open(&path);
    exec(&connection, "PRAGMA synchronous = OFF");
    create_crr(&connection, "t", TABLE);
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 0",
    );
    let records = |connection: &Connection| -> Vec<i64> {
        rows(
            connection,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        )
        .iter()
        .map(|row| {
            let Value::Text(name) = &row[0] else {
                panic!("{row:?}")
            };
            one(connection, &format!("SELECT count(*) FROM \"{name}\""))
        })
        .collect()
    };
    let before = records(&connection);
    for step in 0..1000 {
        exec(&connection, &format!("UPDATE t SET a = 'step {step}'"));
    }
    assert_eq!(records(&connection), before);
    check(&connection, &["t"]);
}

#[test]
fn complaint_23_updates_cost_the_same_beside_many_tombstones() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    create_crr(&connection, "u", TABLE.replace(" t(", " u(").as_str());
    exec(&connection, "INSERT INTO u VALUES (1, 0, 0)");
    // Instructions of SQLite's machine, in hundreds: they tell the work, whatever else runs meanwhile.
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection
        .progress_handler(100, Some(count))
        .expect("a progress handler");
    let work = |name: &str| {
        let before = steps.load(Ordering::Relaxed);
        for step in 0..500 {
            exec(&connection, &format!("UPDATE u SET a = '{step} {name}'"));
        }
        steps.load(Ordering::Relaxed) - before
    };
    let before = work("without").max(100);
    exec(
        &connection,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
         INSERT INTO t SELECT i, i, i FROM n; DELETE FROM t WHERE k > 0",
    );
    let after = work("beside");
    assert!(
        after < before * 2,
        "{after} steps beside 50,000 tombstones, {before} without"
    );
}

#[test]
fn complaint_28_a_forged_length_allocates_nothing() {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)",
    );
    for key in [
        "x'014b7fffffffffffffff'",
        "x'01437fffffffffffffff61'",
        "x'0123ffffffff61'",
        "x'01447fffffffffffffff'",
        "x'ff'",
        "x'0143ffffffffffffffff'",
    ] {
        refusal(
            &connection,
            &format!("INSERT INTO crsql_changes VALUES ('t', {key}, 'a', 1, 1, 1, x'01', 1, 0)"),
        );
        refusal(
            &connection,
            &format!("SELECT * FROM crsql_unpack_columns({key})"),
        );
    }
    exec(&connection, "INSERT INTO t VALUES ('still', 'alive')");
    check(&connection, &["t"]);
}

#[test]
fn complaint_29_the_commit_hook_of_the_application_and_ours_live_together() {
    let mut connection = open_memory();
    create_crr(&connection, "t", TABLE);
    let (sender, receiver) = std::sync::mpsc::channel();
    connection
        .commit_hook(Some(move || {
            sender.send(()).expect("count");
            false
        }))
        .expect("commit hook");
    for version in 1..=3 {
        exec(
            &connection,
            &format!("INSERT INTO t VALUES ({version}, 0, 0)"),
        );
        assert_eq!(
            one::<i64>(&connection, "SELECT crsql_db_version()"),
            version
        );
    }
    assert_eq!(receiver.try_iter().count(), 3);
    let seqs: Vec<i64> = changes(&connection, 0)
        .iter()
        .map(|change| change.seq)
        .collect();
    assert_eq!(seqs, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn complaint_30_close_needs_no_special_call_and_frees_once() {
    for finalize in [0, 1, 3] {
        let connection = open_memory();
        create_crr(&connection, "t", TABLE);
        exec(
            &connection,
            "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 3; DELETE FROM t",
        );
        let other = check(&connection, &["t"]);
        for _ in 0..finalize {
            assert_eq!(
                one::<String>(&connection, "SELECT crsql_finalize()"),
                "finalized"
            );
        }
        for connection in [connection, other] {
            connection
                .close()
                .map_err(|(_, error)| error)
                .expect("close answers OK");
        }
    }
}

#[test]
fn complaint_30_a_statement_of_the_application_is_the_only_reason_for_busy() {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    exec(&connection, "INSERT INTO t VALUES (1, 2, 3)");
    // Statements on the changes may be kept and used again across schema changes.
    let mut kept = connection
        .prepare("SELECT count(*) FROM crsql_changes")
        .expect("prepare");
    create_crr(&connection, "u", "CREATE TABLE u(k INTEGER PRIMARY KEY, n)");
    exec(
        &connection,
        "INSERT INTO u VALUES (1, 2); SELECT crsql_finalize()",
    );
    assert_eq!(
        kept.query_row([], |row| row.get::<_, i64>(0))
            .expect("read"),
        3
    );
    drop(kept);
    connection
        .close()
        .map_err(|(_, error)| error)
        .expect("close answers OK");
}

#[test]
fn complaint_32_functions_called_at_any_moment_answer_clearly() {
    let connection = open_memory();
    for (sql, expected) in [
        ("SELECT crsql_db_version()", 0),
        ("SELECT crsql_next_db_version()", 1),
        ("SELECT crsql_get_seq()", 0),
        ("SELECT crsql_rows_impacted()", 0),
        ("SELECT crsql_internal_sync_bit()", 0),
        ("SELECT count(*) FROM crsql_changes", 0),
        ("SELECT length(crsql_site_id())", 16),
    ] {
        assert_eq!(one::<i64>(&connection, sql), expected, "{sql}");
    }
    let text = refusal(
        &connection,
        "INSERT INTO crsql_changes VALUES ('t', x'010901', 'a', 1, 1, 1, x'01', 0, 0)",
    );
    for useless in ["out of memory", "not an error", "SQL logic error"] {
        assert!(!text.contains(useless), "{text}");
    }
}

#[test]
fn complaint_33_nothing_that_sql_can_say_ends_the_process() {
    let connection = open_memory();
    create_crr(&connection, "t", TABLE);
    let values = [
        "NULL",
        "''",
        "x''",
        "'%s%n%d'",
        "1",
        "-1",
        "1e999",
        "9223372036854775807",
        "zeroblob(1000000)",
        "x'01490001020304050607'",
        "char(0)",
    ];
    let functions = [
        "crsql_as_crr",
        "crsql_site_id",
        "crsql_db_version",
        "crsql_next_db_version",
        "crsql_get_seq",
        "crsql_increment_and_get_seq",
        "crsql_rows_impacted",
        "crsql_config_set",
        "crsql_config_get",
        "crsql_internal_sync_bit",
        "crsql_pack_columns",
        "crsql_version",
        "crsql_sha",
        "crsql_finalize",
    ];
    // What each call answers is not the question here: that it answers is.
    let call = |sql: &str| {
        drop(
            connection
                .prepare(sql)
                .and_then(|mut statement| statement.query([])?.next().map(drop)),
        )
    };
    for function in functions {
        call(&format!("SELECT {function}()"));
        for first in values {
            call(&format!("SELECT {function}({first})"));
            values
                .iter()
                .for_each(|second| call(&format!("SELECT {function}({first}, {second})")));
            call(&format!("SELECT {function}({first}, 1, 2)"));
        }
    }
    for value in values {
        call(&format!("SELECT * FROM crsql_unpack_columns({value})"));
        for column in 0..9 {
            let mut row = ["'t'", "x'010901'", "'a'", "1", "1", "1", "x'01'", "1", "0"];
            row[column] = value;
            call(&format!(
                "INSERT INTO crsql_changes VALUES ({})",
                row.join(", ")
            ));
        }
    }
    exec(&connection, "SELECT crsql_internal_sync_bit(0)");
    exec(&connection, "INSERT OR REPLACE INTO t VALUES (77, 1, 1)");
    assert!(
        changes(&connection, 0)
            .iter()
            .any(|change| change.pk == [1, 9, 77])
    );
}

#[test]
fn complaint_34_a_tool_without_the_extension_cannot_write_unnoticed() {
    let directory = scratch_dir();
    let path = directory.join("db");
    let with = open(&path);
    create_crr(&with, "t", TABLE);
    exec(&with, "INSERT INTO t VALUES (1, 2, 3)");
    let without = Connection::open(&path).expect("open");
    for sql in [
        "INSERT INTO t VALUES (2, 2, 2)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "REPLACE INTO t VALUES (1, 1, 1)",
        "INSERT OR IGNORE INTO t VALUES (3, 3, 3)",
    ] {
        let error = without.execute_batch(sql).expect_err(sql);
        assert!(
            text_of(&error).starts_with("no such function: crsql_"),
            "{sql}: {error}"
        );
    }
    assert_eq!(rows(&without, "SELECT * FROM t").len(), 1);
    check(&with, &["t"]);
}

#[test]
fn complaint_36_the_error_says_which_column_or_index() {
    let connection = open_memory();
    exec(&connection, "PRAGMA foreign_keys = OFF");
    for (create, names) in [
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, city REFERENCES elsewhere(id))",
            &["x", "city", "elsewhere"][..],
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, mail TEXT UNIQUE)",
            &["x", "mail"],
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, p, q); CREATE UNIQUE INDEX by_both ON x(p, q)",
            &["x", "by_both"],
        ),
        (
            "CREATE TABLE x(k INTEGER PRIMARY KEY, label TEXT NOT NULL)",
            &["x", "label", "DEFAULT"],
        ),
        (
            "CREATE TABLE x(code TEXT PRIMARY KEY, a)",
            &["x", "code", "NOT NULL"],
        ),
    ] {
        exec(&connection, &format!("DROP TABLE IF EXISTS x; {create}"));
        let text = refusal(&connection, "SELECT crsql_as_crr('x')");
        for name in names {
            assert!(text.contains(name), "{create}: {text}");
        }
    }
}

#[test]
fn complaint_36_a_unique_index_added_later_gives_an_error_and_overwrites_nothing() {
    let [left, right] = [open_memory(), open_memory()];
    for side in [&left, &right] {
        create_crr(side, "t", TABLE);
        exec(side, "CREATE UNIQUE INDEX mail ON t(a)");
    }
    exec(&left, "INSERT INTO t VALUES (1, 'same', 'left')");
    exec(&right, "INSERT INTO t VALUES (2, 'same', 'right')");
    let incoming = changes(&right, 0);
    let error = crate::support::try_merge(&left, &incoming).expect_err("the index");
    assert_eq!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::ConstraintViolation),
        "{error}"
    );
    assert!(text_of(&error).contains("t.a"), "{error}");
    assert_eq!(
        content(&left, "t"),
        ["Integer(1)|Text(\"same\")|Text(\"left\")|"]
    );
    exec(&left, "DROP INDEX mail");
    merge(&left, &incoming);
    check(&left, &["t"]);
}

#[test]
fn complaint_37_a_trigger_during_a_merge_is_captured_on_no_node() {
    // It runs on every node, so its writes would otherwise travel as well and count twice.
    let replicas = [open_memory(), open_memory(), open_memory()];
    for replica in &replicas {
        create_crr(replica, "t", TABLE);
        create_crr(
            replica,
            "total",
            "CREATE TABLE total(k INTEGER PRIMARY KEY, n DEFAULT 0)",
        );
        exec(replica, "CREATE TABLE plain(note)");
        exec(
            replica,
            "CREATE TRIGGER app AFTER INSERT ON t BEGIN \
               INSERT INTO plain VALUES ('row ' || NEW.k); \
               INSERT INTO total VALUES (NEW.k, 1) ON CONFLICT DO UPDATE SET n = n + 1; END; \
             CREATE TRIGGER only_here AFTER INSERT ON t WHEN crsql_internal_sync_bit() = 0 BEGIN \
               INSERT INTO plain VALUES ('local'); END",
        );
    }
    exec(&replicas[0], "INSERT INTO t VALUES (1, 'x', 'y')");
    let first = changes(&replicas[0], 0);
    let of_the_row: Vec<_> = first
        .iter()
        .filter(|change| change.table == "t")
        .cloned()
        .collect();
    for replica in &replicas[1..] {
        merge(replica, &of_the_row);
        assert_eq!(
            changes(replica, 0).len(),
            2,
            "only the row itself is recorded"
        );
        assert_eq!(
            one::<i64>(replica, "SELECT n FROM total"),
            1,
            "the trigger ran"
        );
        assert_eq!(
            rows(replica, "SELECT note FROM plain").len(),
            1,
            "and not the one for local writes"
        );
        merge(replica, &first);
        assert_eq!(one::<i64>(replica, "SELECT n FROM total"), 1);
        assert_eq!(one::<i64>(replica, "SELECT crsql_internal_sync_bit()"), 0);
    }
    assert_eq!(rows(&replicas[0], "SELECT note FROM plain").len(), 2);
    for replica in &replicas[1..] {
        assert_same(&replicas[0], replica, &["t", "total"], "every node");
    }
}

#[test]
fn complaint_37_a_trigger_that_ignores_a_merged_row_leaves_it_unapplied() {
    let (origin, target) = (open_memory(), open_memory());
    create_crr(&origin, "t", TABLE);
    create_crr(&target, "t", TABLE);
    exec(&origin, "INSERT INTO t VALUES (1, 'x', 'y'), (2, 'x', 'y')");
    exec(
        &target,
        "CREATE TRIGGER app BEFORE INSERT ON t WHEN NEW.k = 2 BEGIN SELECT RAISE(IGNORE); END",
    );
    exec(&target, "BEGIN");
    merge(&target, &changes(&origin, 0));
    assert_eq!(one::<i64>(&target, "SELECT crsql_rows_impacted()"), 2);
    exec(&target, "COMMIT");
    assert_eq!(content(&target, "t").len(), 1);
    check(&target, &["t"]);
    exec(&target, "DROP TRIGGER app");
    merge(&target, &changes(&origin, 0));
    let mut follower = Follower::new(&target, &["t"]);
    follower.pull(&target, "delivered again");
    assert_same(&origin, &target, &["t"], "delivered again, it applies");
}
