//! Order on several replicas: what the triggers write is recorded, and all replicas sort alike.

use rusqlite::Connection;

use crate::checks::{assert_same, check, check_partial, exec, one, upgrade};
use crate::random::Random;
use crate::support::{Change, changes, merge, open_memory};
use crate::{column, order};

const CREATE: &str = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, pos TEXT, list TEXT, txt)";

/// Sorted as an application would: rows that share a position, by their keys.
const SORTED: &str = "SELECT k FROM t ORDER BY list, pos, k";

/// A replica, ordered before or after it is replicated.
fn replica(ordered_first: bool) -> Connection {
    let connection = open_memory();
    exec(&connection, CREATE);
    if ordered_first {
        order(&connection, "'t', 'pos', 'list'");
        upgrade(&connection, "t");
    } else {
        upgrade(&connection, "t");
        order(&connection, "'t', 'pos', 'list'");
    }
    connection
}

fn sync(from: &Connection, to: &Connection) {
    merge(to, &changes(from, 0));
}

#[test]
fn two_replicas_that_insert_after_the_same_row_apart_agree() {
    for ordered_first in [false, true] {
        let (a, b) = (replica(false), replica(ordered_first));
        exec(
            &a,
            "INSERT INTO t VALUES ('one', 1, 'l', ''), ('two', 1, 'l', '')",
        );
        sync(&a, &b);
        exec(
            &a,
            "INSERT INTO t_fractindex(k, list, after_k) VALUES ('from a', 'l', 'one')",
        );
        exec(
            &b,
            "INSERT INTO t_fractindex(k, list, after_k) VALUES ('from b', 'l', 'one')",
        );
        sync(&a, &b);
        sync(&b, &a);
        assert_same(&a, &b, &["t"], "both inserts");
        let expected = ["one", "from a", "from b", "two"];
        assert_eq!(column(&a, SORTED), expected);
        assert_eq!(column(&b, SORTED), expected);
        assert_eq!(
            one::<i64>(&a, "SELECT count(DISTINCT pos) FROM t"),
            3,
            "they met at one position"
        );

        exec(
            &b,
            "INSERT INTO t_fractindex(k, list, after_k) VALUES ('between', 'l', 'from a')",
        );
        sync(&b, &a);
        assert_same(&a, &b, &["t"], "after the next insert");
        assert_eq!(
            column(&a, SORTED),
            ["one", "from a", "between", "from b", "two"]
        );
        assert_eq!(one::<i64>(&a, "SELECT count(DISTINCT pos) FROM t"), 5);
        check(&a, &["t"]);
        check(&b, &["t"]);
    }
}

#[test]
fn replicas_that_write_apart_agree_when_they_meet() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let replicas = [replica(false), replica(true), replica(false)];
        for round in 0..60 {
            let replica = &replicas[random.below(replicas.len())];
            let key = format!("k{}", random.below(12));
            let other = format!("k{}", random.below(12));
            let list = ["l", "m"][random.below(2)];
            let end = [-1, 1][random.below(2)];
            exec(
                replica,
                &match random.below(5) {
                    0 => format!(
                        "INSERT OR IGNORE INTO t VALUES ('{key}', {end}, '{list}', {round})"
                    ),
                    1 => format!(
                        "INSERT OR IGNORE INTO t_fractindex(k, list, after_k) VALUES ('{key}', '{list}', '{other}')"
                    ),
                    2 => format!("UPDATE t SET pos = {end} WHERE k = '{key}'"),
                    3 => format!(
                        "UPDATE t_fractindex SET after_k = '{other}', list = '{list}' WHERE k = '{key}'"
                    ),
                    _ => format!("DELETE FROM t WHERE k = '{key}'"),
                },
            );
            if random.percent(20) {
                let from = random.below(replicas.len());
                let to = (from + 1) % replicas.len();
                sync(&replicas[from], &replicas[to]);
            }
        }
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 2)] {
            sync(&replicas[from], &replicas[to]);
        }
        for replica in &replicas {
            assert_same(&replicas[0], replica, &["t"], &format!("seed {seed}"));
            assert_eq!(column(replica, SORTED), column(&replicas[0], SORTED));
            assert_eq!(
                one::<i64>(
                    replica,
                    "SELECT count(*) FROM t WHERE CAST(pos AS INTEGER) IN (-1, 1)"
                ),
                0
            );
            check_partial(replica, &["t"]);
        }
    }
}

#[test]
fn a_literal_from_a_peer_is_not_placed_while_it_is_merged() {
    let plain = open_memory();
    exec(&plain, CREATE);
    upgrade(&plain, "t");
    exec(
        &plain,
        "INSERT INTO t VALUES ('x', 1, 'l', ''), ('y', -1, 'l', '')",
    );
    let (a, b) = (replica(false), replica(true));
    sync(&plain, &a);
    exec(&plain, "UPDATE t SET pos = 1 WHERE k = 'y'");
    sync(&plain, &a);
    // The row is made with its position, or gets it later.
    let all: Vec<Change> = changes(&a, 0);
    let (positions, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|change| change.cid == "pos");
    merge(&b, &positions);
    merge(&b, &others);
    for replica in [&a, &b] {
        assert_same(&plain, replica, &["t"], "literals and all");
        assert_eq!(
            one::<i64>(
                replica,
                "SELECT count(*) FROM crsql_changes WHERE site_id = crsql_site_id()"
            ),
            0,
            "nothing is written here"
        );
    }
    exec(&a, "UPDATE t SET pos = pos");
    sync(&a, &plain);
    assert_same(&plain, &a, &["t"], "placed by one replica for all");
    assert_eq!(
        column(&plain, "SELECT pos FROM t ORDER BY pos"),
        ["a ", "a!"]
    );
}

#[test]
fn a_move_is_one_cell_and_an_insert_all_of_them() {
    for ordered_first in [false, true] {
        records_what_is_written(&replica(ordered_first));
    }
}

fn records_what_is_written(connection: &Connection) {
    let seen = |sql: &str| {
        let before: i64 = one(connection, "SELECT crsql_db_version()");
        exec(connection, sql);
        column(
            connection,
            &format!(
                "SELECT cid || ' ' || col_version FROM crsql_changes WHERE db_version > {before} ORDER BY cid"
            ),
        )
    };
    assert_eq!(
        seen("INSERT INTO t VALUES ('a', 1, 'l', 'x')"),
        ["list 1", "pos 2", "txt 1"]
    );
    assert_eq!(
        seen("INSERT INTO t_fractindex(k, list, txt, after_k) VALUES ('b', 'l', 'x', 'a')"),
        ["list 1", "pos 1", "txt 1"]
    );
    assert_eq!(
        seen("UPDATE t_fractindex SET after_k = NULL WHERE k = 'b'"),
        ["pos 2"]
    );
    assert_eq!(
        seen("UPDATE t_fractindex SET txt = 'y' WHERE k = 'b'"),
        ["txt 2"]
    );
    assert_eq!(
        seen("UPDATE t_fractindex SET txt = 'z', after_k = 'a' WHERE k = 'b'"),
        ["pos 3", "txt 3"]
    );
}
