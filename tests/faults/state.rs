//! What a database holds, as a text that can be compared, and whether it is sound.

use std::fmt::Write as _;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::checks::{check_partial, one, quoted, rows};

/// The digest without what depends on random identities.
pub fn digest(connection: &Connection) -> Vec<u8> {
    let digest: Vec<u8> = one(connection, "SELECT crsql_digest()");
    connection
        .execute_batch("SAVEPOINT scratch; DELETE FROM crsql_digest_state")
        .expect("forget the digests");
    let anew: Vec<u8> = one(connection, "SELECT crsql_digest()");
    connection
        .execute_batch("ROLLBACK TO scratch; RELEASE scratch")
        .expect("go back");
    assert_eq!(digest, anew, "the digest that was kept");
    let sites: i64 = one(connection, "SELECT count(*) FROM crsql_site_id");
    let is_reset: i64 = one(
        connection,
        "SELECT count(*) FROM crsql_site_id WHERE ordinal > 0 AND site_id = (SELECT site_id FROM crsql_site_id WHERE ordinal = 0)",
    );
    assert_eq!(is_reset, 0, "{sites} sites");
    digest
}

pub fn assert_sound(connection: &Connection, context: &str) {
    assert_eq!(
        one::<String>(connection, "PRAGMA integrity_check"),
        "ok",
        "{context}"
    );
    // A file of another extension is not ours to check yet.
    if one::<i64>(
        connection,
        "SELECT count(*) FROM sqlite_schema WHERE name = 'crsql_log'",
    ) == 0
    {
        return;
    }
    assert_eq!(
        one::<i64>(connection, "SELECT crsql_internal_sync_bit()"),
        0,
        "{context}"
    );
}

/// Everything is as it must be, and another replica that gets all changes is equal.
pub fn check_whole(connection: &Connection, context: &str) {
    assert_sound(connection, context);
    let tables = rows(
        connection,
        "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'crsql_[1-9]*_insert' ORDER BY 1",
    );
    let names: Vec<String> = tables
        .into_iter()
        .map(|row| match &row[..] {
            [Value::Text(name)] => name.clone(),
            other => panic!("no name: {other:?}"),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let replica = check_partial(connection, &names);
    for name in names {
        let ask = "SELECT crsql_digest(?1)";
        let digests = [connection, &replica].map(|connection| {
            connection
                .query_row(ask, [name], |row| row.get::<_, Vec<u8>>(0))
                .expect("a digest")
        });
        assert_eq!(digests[0], digests[1], "{context}: digest of {name}");
    }
}

/// Everything in the file, but for times and random identities.
pub fn dump(connection: &Connection) -> String {
    let mut text = String::new();
    let mut add = |sql: &str, title: &str| {
        let mut statement = connection
            .prepare(sql)
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let names: Vec<String> = statement.column_names().map(ToString::to_string).collect();
        let mut found: Vec<String> = Vec::new();
        let mut rows = statement.query([]).expect("a query");
        while let Some(row) = rows.next().unwrap_or_else(|error| panic!("{error}: {sql}")) {
            let mut line = String::new();
            for (index, name) in names.iter().enumerate() {
                if !matches!(name.as_str(), "since" | "at" | "rootpage") {
                    match row.get(index).expect("a value") {
                        Value::Blob(blob) => blob
                            .iter()
                            .for_each(|byte| write!(line, "{byte:02x}").expect("text")),
                        value => write!(line, "{value:?}").expect("text"),
                    }
                    line.push('|');
                }
            }
            found.push(line);
        }
        writeln!(text, "{title}\n{}", found.join("\n")).expect("text");
    };
    let tables = rows(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    );
    add("SELECT * FROM sqlite_schema ORDER BY type, name", "schema");
    let mut is_ours = false;
    for table in &tables {
        let [Value::Text(name)] = &table[..] else {
            panic!("no name: {table:?}");
        };
        is_ours |= name == "crsql_log";
        add(&format!("SELECT * FROM {}", quoted(name)), name);
    }
    if !is_ours {
        return text;
    }
    add("SELECT * FROM crsql_changes", "changes");
    add("SELECT crsql_db_version()", "version");
    add("SELECT * FROM crsql_check", "check");
    let site: Vec<u8> = one(connection, "SELECT crsql_site_id()");
    let stored: Vec<u8> = one(
        connection,
        "SELECT site_id FROM crsql_site_id WHERE ordinal = 0",
    );
    assert_eq!(
        site, stored,
        "the site id that is known, and the one that is stored"
    );
    let database: i64 = one(
        connection,
        "SELECT value FROM crsql_master WHERE key = 'crsql_database'",
    );
    for site in rows(
        connection,
        "SELECT ordinal, lower(hex(site_id)) FROM crsql_site_id",
    ) {
        let [Value::Integer(ordinal), Value::Text(hex)] = &site[..] else {
            panic!("no site: {site:?}");
        };
        text = text.replace(hex, &format!("<site {ordinal}>"));
    }
    text.replace(&database.to_string(), "<database>")
}

pub fn difference(expected: &str, found: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let only = |these: &[&str], those: &[&str]| -> String {
        let only = these.iter().filter(|line| !those.contains(line)).take(8);
        only.map(|line| format!("  {}\n", line.chars().take(300).collect::<String>()))
            .collect()
    };
    format!(
        "expected only:\n{}found only:\n{}",
        only(&left, &right),
        only(&right, &left)
    )
}
