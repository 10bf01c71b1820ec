//! Files of former releases, hosts with a smaller SQLite, and what a program can be told of its replica.

use std::path::Path;

use rusqlite::Connection;

use crate::checks::{check, create_crr, exec, one, rows};
use crate::hosts::{Routines, host};
use crate::support::{changes, merge, open, open_memory, scratch_dir};

#[test]
fn complaint_21_files_of_the_previous_release_work() {
    // What each of them holds is looked at in tests/formats.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures).expect("tests/fixtures/formats") {
        let scratch = scratch_dir();
        let copy = scratch.join("former.db");
        std::fs::copy(entry.expect("an entry").path().join("database.db"), &copy).expect("copy");
        let connection = open(&copy);
        let version: i64 = one(&connection, "SELECT crsql_db_version()");
        exec(
            &connection,
            "INSERT INTO names VALUES ('of this release'); UPDATE notes SET title = 'of this release'",
        );
        assert_eq!(
            one::<i64>(&connection, "SELECT crsql_db_version()"),
            version + 2
        );
        assert_eq!(one::<String>(&connection, "SELECT crsql_check()"), "ok");
        let replica = open_memory();
        create_crr(
            &replica,
            "names",
            "CREATE TABLE names(k TEXT PRIMARY KEY NOT NULL)",
        );
        merge(&replica, &changes(&connection, 0));
        let all = "SELECT k FROM names ORDER BY k";
        assert_eq!(rows(&replica, all), rows(&connection, all));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn complaint_31_a_host_without_optional_routines_does_not_crash() {
    let connection = Connection::open_in_memory().expect("open");
    let table = Routines::without_optional_ones();
    host().load(&connection, table).expect("load");
    create_crr(&connection, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 1); UPDATE t SET a = 2; DELETE FROM t; INSERT INTO t VALUES (2, 2)",
    );
    let replica = check(&connection, &["t"]);
    let data: Vec<u8> = one(&replica, "SELECT crsql_changeset(0)");
    let won: i64 = connection
        .query_row("SELECT crsql_apply(?1)", [data], |row| row.get(0))
        .expect("apply");
    assert_eq!(won, 0);
}

/// Sends what is new in changesets and notes how far both sides are, as a program would.
fn sync(from: &Connection, to: &Connection, most: usize) {
    let [sender, receiver] = [from, to].map(|side| one::<Vec<u8>>(side, "SELECT crsql_site_id()"));
    let note =
        "INSERT INTO crsql_tracked_peers(site_id, version, tag, event) VALUES (?1, ?2, 0, ?3)
                ON CONFLICT DO UPDATE SET version = excluded.version";
    let since: i64 = one(
        to,
        "SELECT coalesce(max(version), 0) FROM crsql_tracked_peers WHERE event = 0",
    );
    let blobs: Vec<(Vec<u8>, i64)> = from
        .prepare("SELECT data, last_version FROM crsql_changesets(?1, NULL, 2000)")
        .and_then(|mut statement| {
            statement
                .query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .expect("changesets");
    for (data, version) in blobs.into_iter().take(most) {
        to.query_row("SELECT crsql_apply(?1)", [data], |_| Ok(()))
            .expect("apply");
        to.execute(note, (&sender, version, 0)).expect("note");
        from.execute(note, (&receiver, version, 1)).expect("note");
    }
}

#[test]
fn complaint_35_a_program_can_tell_how_far_it_is_and_what_waits() {
    let (hub, client) = (open_memory(), open_memory());
    for side in [&hub, &client] {
        create_crr(side, "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
    }
    create_crr(
        &hub,
        "later",
        "CREATE TABLE later(k INTEGER PRIMARY KEY, a)",
    );
    for id in 0..50 {
        exec(
            &hub,
            &format!(
                "INSERT INTO t VALUES ({id}, hex(randomblob(100))); INSERT INTO later VALUES ({id}, 1)"
            ),
        );
    }
    let unsent = || one::<i64>(&hub, "SELECT unsent FROM crsql_status WHERE kind = 'peer'");
    sync(&hub, &client, 2);
    let behind = unsent();
    assert!(
        (1..100).contains(&behind),
        "{behind} changes are to be sent"
    );
    let here: i64 = one(
        &client,
        "SELECT received_version FROM crsql_status WHERE kind = 'peer'",
    );
    assert!(
        here < one(&hub, "SELECT crsql_db_version()"),
        "the first sync is not complete"
    );
    sync(&hub, &client, usize::MAX);
    assert_eq!(unsent(), 0);
    let is_recent =
        "SELECT received_at >= datetime('now', '-1 hour') FROM crsql_status WHERE kind = 'peer'";
    assert_eq!(one::<i64>(&client, is_recent), 1);
    // What is stuck has a name and a number, and since when.
    let parked = "SELECT parked FROM crsql_status WHERE name = 'later'";
    assert_eq!(one::<i64>(&client, parked), 50);
    let waits = "SELECT \"count\" FROM crsql_parked WHERE \"table\" = 'later' AND \"column\" = 'a' AND since IS NOT NULL";
    assert_eq!(one::<i64>(&client, waits), 50);
    // And whether both hold the same is one comparison.
    exec(
        &client,
        "CREATE TABLE later(k INTEGER PRIMARY KEY, a); SELECT crsql_as_crr('later')",
    );
    let [left, right] = [&hub, &client].map(|side| one::<Vec<u8>>(side, "SELECT crsql_digest()"));
    assert_eq!(left, right);
}
