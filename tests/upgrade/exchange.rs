//! An upgraded database and other replicas of the same data.

use super::{EXPECTED, FIXTURES, made, upgrade};
use crate::checks::{assert_same, exec, one, rows};
use crate::support::{Change, changes, open_memory, try_merge};
use rusqlite::Connection;
use rusqlite::types::Value;

/// The tables of the fixture, empty, on another replica.
fn replica(origin: &Connection, tables: &[&str]) -> Connection {
    let connection = open_memory();
    for table in tables {
        let create: String = origin
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE name = ?1",
                [table],
                |row| row.get(0),
            )
            .expect("the declaration");
        // What crsql_as_crr asks for and old releases did not.
        let create = create
            .replace("p INT, q INT", "p INT NOT NULL, q INT NOT NULL")
            .replace("TEXT PRIMARY KEY, a", "TEXT PRIMARY KEY NOT NULL, a");
        crate::checks::create_crr(&connection, table, &create);
    }
    connection
}

fn impact(connection: &Connection, changes: &[Change]) -> i64 {
    exec(connection, "BEGIN");
    try_merge(connection, changes).expect("merge");
    let impact = one(connection, "SELECT crsql_rows_impacted()");
    exec(connection, "COMMIT");
    impact
}

/// What the old extension would have sent.
fn expected(connection: &Connection) -> Vec<Change> {
    let integer = |value: &Value| match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?} is no integer"),
    };
    let blob = |value: &Value| match value {
        Value::Blob(bytes) => bytes.clone(),
        other => panic!("{other:?} is no BLOB"),
    };
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    rows(connection, EXPECTED)
        .iter()
        .map(|row| Change {
            table: text(&row[0]),
            pk: blob(&row[1]),
            cid: text(&row[2]),
            val: row[3].clone(),
            col_version: integer(&row[4]),
            db_version: integer(&row[5]),
            site_id: blob(&row[6]),
            cl: integer(&row[7]),
            seq: integer(&row[8]),
        })
        .collect()
}

#[test]
fn a_replica_with_the_same_data_learns_nothing_and_teaches_nothing() {
    for (files, tables, _) in FIXTURES {
        let upgraded = made(files);
        upgrade(&upgraded);
        let other = replica(&upgraded, tables);
        assert!(impact(&other, &expected(&upgraded)) > 0, "{files:?}");
        assert_eq!(
            impact(&other, &changes(&upgraded, 0)),
            0,
            "{files:?}: learns"
        );
        assert_eq!(
            impact(&upgraded, &changes(&other, 0)),
            0,
            "{files:?}: teaches"
        );
        if !files.contains(&"u16_rough.sql") {
            assert_same(&upgraded, &other, tables, "after the exchange");
        }
    }
}

#[test]
fn writes_travel_both_ways_afterwards() {
    let upgraded = made(&["u16.sql"]);
    upgrade(&upgraded);
    let tables = &["to do", "pair", "tagged", "n"];
    let other = replica(&upgraded, tables);
    impact(&other, &changes(&upgraded, 0));
    let (here, there): (i64, i64) = (
        one(&upgraded, "SELECT crsql_db_version()"),
        one(&other, "SELECT crsql_db_version()"),
    );
    exec(
        &upgraded,
        "UPDATE n SET x = 'here' WHERE k = 1; DELETE FROM n WHERE k = 3; INSERT INTO n VALUES (4, 40, 41);
         UPDATE \"to do\" SET late = 'set' WHERE \"the key\" = 'a'; DELETE FROM tagged WHERE p = 5;
         UPDATE pair SET n = 7 WHERE org = 'x'",
    );
    exec(
        &other,
        "UPDATE n SET y = 'there' WHERE k = 1; UPDATE n SET x = 'late' WHERE k = 3; INSERT INTO tagged VALUES (3, 4);
         UPDATE \"to do\" SET done = 99 WHERE \"the key\" = 'f'; INSERT INTO \"to do\" VALUES ('c', 1, 2, 3)",
    );
    let (from_here, from_there) = (changes(&upgraded, here), changes(&other, there));
    assert!(impact(&upgraded, &from_there) > 0);
    assert!(impact(&other, &from_here) > 0);
    assert_same(&upgraded, &other, tables, "after the exchange");
    assert_eq!(impact(&other, &changes(&upgraded, 0)), 0);
    assert_eq!(impact(&upgraded, &changes(&other, 0)), 0);
}
