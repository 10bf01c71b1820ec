//! What was adopted reaches peers, and replicas end equal.

use crate::checks::{assert_same, check, create_crr, exec, one};
use crate::support::{changes, merge, open_memory};
use crate::{adopt, assert_clean, problems, unrecorded};
use rusqlite::Connection;

const TABLES: [&str; 4] = ["t", "pair", "keys", "w"];

fn replica() -> Connection {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b DEFAULT 7)",
    );
    create_crr(
        &connection,
        "pair",
        "CREATE TABLE pair(org TEXT NOT NULL, n NOT NULL, a, PRIMARY KEY (n, org))",
    );
    create_crr(
        &connection,
        "keys",
        "CREATE TABLE keys(k TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID",
    );
    create_crr(
        &connection,
        "w",
        "CREATE TABLE w(k REAL PRIMARY KEY NOT NULL, v)",
    );
    connection
}

/// Each takes what the other has, until both have everything.
fn exchange(a: &Connection, b: &Connection) {
    merge(b, &changes(a, 0));
    merge(a, &changes(b, 0));
}

/// Rows of every history: pristine, changed, deleted, of a second life, merged from the peer.
fn two_replicas() -> (Connection, Connection) {
    let (a, b) = (replica(), replica());
    for (connection, base) in [(&a, 0), (&b, 100)] {
        for n in 1..=12 {
            let k = base + n;
            exec(
                connection,
                &format!(
                    "INSERT INTO t(k, a) VALUES ({k}, 'x{k}'); INSERT INTO pair VALUES ('o', {k}, 1);
                     INSERT INTO keys VALUES ('k{k}'); INSERT INTO w VALUES ({k}.5, {k});"
                ),
            );
        }
    }
    exchange(&a, &b);
    for (connection, base) in [(&a, 0), (&b, 100)] {
        exec(
            connection,
            &format!(
                "UPDATE t SET a = 'changed' WHERE k BETWEEN {base} + 4 AND {base} + 6;
                 DELETE FROM t WHERE k BETWEEN {base} + 7 AND {base} + 9;
                 INSERT INTO t VALUES ({base} + 9, 'second life', 9);
                 DELETE FROM pair WHERE n BETWEEN {base} + 7 AND {base} + 9;
                 DELETE FROM keys WHERE k = 'k' || ({base} + 7);
                 UPDATE w SET k = k + 1000 WHERE v = {base} + 3;"
            ),
        );
    }
    exchange(&a, &b);
    (a, b)
}

const BEHIND_THE_BACK: &str = "
    DELETE FROM t WHERE k IN (1, 101, 4, 104, 9, 109);
    INSERT INTO t VALUES (7, 'back', 1), (107, 'back', 2), (50, 'new', 3);
    DELETE FROM pair WHERE n IN (1, 102); INSERT INTO pair VALUES ('o', 7, 'back'), ('q', 1.0, 'new');
    DELETE FROM keys WHERE k IN ('k1', 'k101'); INSERT INTO keys VALUES ('k7'), ('new');
    DELETE FROM w WHERE v IN (1, 3); INSERT INTO w VALUES (-0.0, 'zero')";

#[test]
fn rows_written_without_capture_reach_peers_once_they_are_adopted() {
    let (a, b) = two_replicas();
    assert_clean(&a, "before");
    assert_clean(&b, "before");
    unrecorded(&a, BEHIND_THE_BACK);
    let found = problems(&a);
    assert_eq!(found.len(), 9 + 4 + 4 + 3, "{found:#?}");
    assert!(
        found.contains(&"pair|1, 'q'|row not recorded".to_owned()),
        "{found:#?}"
    );
    assert!(
        found.contains(&"w|0.0|row not recorded".to_owned()),
        "{found:#?}"
    );
    let since: i64 = one(&a, "SELECT crsql_db_version()");
    let counts = TABLES.map(|table| adopt(&a, table));
    assert_eq!(counts, [9, 4, 4, 3]);
    assert_clean(&a, "adopted");
    merge(&b, &changes(&a, since));
    assert_same(&a, &b, &TABLES, "after an incremental pull");
    exchange(&a, &b);
    assert_same(&a, &b, &TABLES, "after an exchange");
    assert_clean(&b, "the peer");
    check(&a, &TABLES);
}

#[test]
fn edits_made_meanwhile_elsewhere_and_adopted_rows_converge() {
    let (a, b) = two_replicas();
    unrecorded(&a, BEHIND_THE_BACK);
    exec(
        &b,
        "UPDATE t SET b = 70 WHERE k IN (1, 101, 9, 10); DELETE FROM t WHERE k = 50; INSERT INTO t VALUES (50, 'theirs', 5);
         INSERT INTO t VALUES (7, 'theirs', 6); DELETE FROM pair WHERE n = 1; INSERT INTO keys VALUES ('new');",
    );
    for table in TABLES {
        adopt(&a, table);
    }
    exchange(&a, &b);
    exchange(&a, &b);
    assert_same(&a, &b, &TABLES, "after two exchanges");
    assert_clean(&a, "here");
    assert_clean(&b, "there");
}

#[test]
fn adoption_is_part_of_its_transaction() {
    let (a, _) = two_replicas();
    unrecorded(&a, "INSERT INTO t VALUES (50, 'new', 3)");
    let before = changes(&a, 0);
    exec(&a, "BEGIN; INSERT INTO t VALUES (60, 'recorded', 1);");
    assert_eq!(adopt(&a, "t"), 1);
    let version = "SELECT max(db_version) = crsql_next_db_version() FROM crsql_changes";
    assert!(one::<bool>(&a, version), "one version for both");
    exec(&a, "ROLLBACK");
    assert_eq!(changes(&a, 0), before);
    exec(&a, "BEGIN; SAVEPOINT s;");
    assert_eq!(adopt(&a, "t"), 1);
    exec(&a, "ROLLBACK TO s; COMMIT");
    assert_eq!(problems(&a), ["t|50|row not recorded"]);
    assert_eq!(adopt(&a, "t"), 1);
    assert_clean(&a, "at last");
}

#[test]
fn many_rows_are_adopted_in_one_go() {
    let (a, b) = (replica(), replica());
    exec(
        &a,
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t(k, a) SELECT i, i FROM n",
    );
    merge(&b, &changes(&a, 0));
    unrecorded(
        &a,
        "DELETE FROM t WHERE k % 3 = 0; INSERT INTO t(k, a) SELECT k + 100000, a FROM t WHERE k % 3 = 1",
    );
    assert_eq!(adopt(&a, "t"), 6666 + 6667);
    assert_clean(&a, "adopted");
    merge(&b, &changes(&a, 1));
    assert_same(&a, &b, &["t"], "after a pull");
}

/// A row that is removed and inserted again without its removal being recorded has two entries in the log.
#[test]
fn a_row_listed_twice_is_listed_once_again() {
    let a = replica();
    exec(
        &a,
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO keys VALUES ('k'), ('l')",
    );
    unrecorded(&a, "DELETE FROM t; DELETE FROM keys WHERE k = 'k'");
    exec(
        &a,
        "INSERT INTO t VALUES (2, 'c', 3); INSERT INTO keys VALUES ('k')",
    );
    assert_eq!(
        problems(&a),
        [
            "t|1|row missing",
            "t|2|listed twice",
            "keys|'k'|listed twice"
        ]
    );
    assert_eq!((adopt(&a, "t"), adopt(&a, "keys")), (2, 1));
    assert_clean(&a, "adopted");
    check(&a, &TABLES);
    // Entries that say nothing any more are no problem.
    unrecorded(&a, "DELETE FROM t WHERE k = 2");
    exec(
        &a,
        "INSERT INTO t VALUES (2, 'd', 4); DELETE FROM t WHERE k = 2",
    );
    assert_clean(&a, "deleted with two entries");
    assert_eq!(adopt(&a, "t"), 0);
}

#[test]
fn settling_equal_values_by_site_changes_nothing() {
    let (a, b) = two_replicas();
    for connection in [&a, &b] {
        exec(
            connection,
            "SELECT crsql_config_set('merge-equal-values', 1)",
        );
        assert_clean(connection, "with keys that are findable");
    }
    unrecorded(&a, BEHIND_THE_BACK);
    for table in TABLES {
        adopt(&a, table);
    }
    exchange(&a, &b);
    exchange(&a, &b);
    assert_same(&a, &b, &TABLES, "after two exchanges");
    assert_clean(&a, "here");
    assert_clean(&b, "there");
}
