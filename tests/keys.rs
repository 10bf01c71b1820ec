//! Keys that the database makes: what they hold, that they ascend, and that replicas exchange the rows they name.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "support/checks.rs"]
mod checks;

use checks::{assert_same, check, create_crr, exec, one};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use support::{changes, merge, open_memory};

const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn milliseconds() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u64::try_from(now.as_millis()).expect("a time in 64 bits")
}

fn time_of_blob(key: &[u8]) -> u64 {
    key[..6]
        .iter()
        .fold(0, |time, byte| time << 8 | u64::from(*byte))
}

#[test]
fn keys_hold_the_time_of_their_making() {
    let connection = open_memory();
    let before = milliseconds();
    let uuid: String = one(&connection, "SELECT crsql_uuid()");
    let blob: Vec<u8> = one(&connection, "SELECT crsql_uuid_blob()");
    let ulid: String = one(&connection, "SELECT crsql_ulid()");
    let after = milliseconds();
    let of_text = u64::from_str_radix(&uuid.replace('-', "")[..12], 16).expect("hexadecimal");
    let of_ulid = ulid[..10].chars().fold(0, |time, c| {
        let digit = ALPHABET.find(c).expect("a character of the alphabet");
        time << 5 | digit as u64
    });
    for time in [of_text, time_of_blob(&blob), of_ulid] {
        assert!(
            (before..=after).contains(&time),
            "{time} is not in {before}..={after}"
        );
    }
}

#[test]
fn text_and_blob_ascend_together() {
    let connection = open_memory();
    let mut last = Vec::new();
    for _ in 0..500 {
        let text: String = one(&connection, "SELECT replace(crsql_uuid(), '-', '')");
        let blob: String = one(&connection, "SELECT lower(hex(crsql_uuid_blob()))");
        for key in [text, blob] {
            assert!(last < key.clone().into_bytes(), "{key}");
            last = key.into_bytes();
        }
    }
}

#[test]
fn connections_never_make_the_same_key() {
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let connection = open_memory();
        for _ in 0..50 {
            let uuid: String = one(&connection, "SELECT crsql_uuid()");
            assert!(seen.insert(uuid.clone()), "{uuid} twice");
        }
    }
}

#[test]
fn rows_inserted_apart_without_a_key_meet_as_different_rows() {
    let shape = "CREATE TABLE t(id BLOB PRIMARY KEY DEFAULT (crsql_uuid_blob()), v) WITHOUT ROWID";
    let replicas = [open_memory(), open_memory()];
    for (replica, value) in replicas.iter().zip(["here", "there"]) {
        create_crr(replica, "t", shape);
        for _ in 0..10 {
            exec(replica, &format!("INSERT INTO t(v) VALUES ('{value}')"));
        }
    }
    let [here, there] = &replicas;
    let (from_here, from_there) = (changes(here, 0), changes(there, 0));
    merge(here, &from_there);
    merge(there, &from_here);
    assert_same(here, there, &["t"], "after the exchange");
    assert_eq!(one::<i64>(here, "SELECT count(*) FROM t"), 20);
    check(here, &["t"]);
}

#[test]
fn a_bulk_insert_makes_a_key_for_each_row() {
    let connection = open_memory();
    create_crr(
        &connection,
        "t",
        "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL DEFAULT (crsql_ulid()), v)",
    );
    exec(
        &connection,
        "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT 1000) INSERT INTO t(v) SELECT v FROM n",
    );
    let in_order: i64 = one(
        &connection,
        "SELECT count(*) FROM (SELECT v = row_number() OVER (ORDER BY id) AS fits FROM t) WHERE fits",
    );
    assert_eq!(in_order, 1000);
    check(&connection, &["t"]);
}
