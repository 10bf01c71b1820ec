//! Random local writes to tables with every kind of key, and what the digest of a database must be.

use rusqlite::Connection;

use crate::checks::{exec, one, rows};
use crate::random::Random;
use crate::support::{changes, try_merge};

pub const TABLES: [&str; 5] = ["num", "word", "pair", "tag", "Mixed"];

const SCHEMA: &str = "
CREATE TABLE num (id INTEGER PRIMARY KEY, a, b TEXT);
CREATE TABLE word (k TEXT PRIMARY KEY NOT NULL, zeta, Alpha REAL);
CREATE TABLE pair (a NOT NULL, b INTEGER NOT NULL, v, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE tag (id BLOB PRIMARY KEY NOT NULL);
CREATE TABLE Mixed (x NUMERIC NOT NULL COLLATE NOCASE, y REAL NOT NULL, v, PRIMARY KEY (x COLLATE BINARY DESC, y));";

/// Makes the tables and upgrades them.
pub fn create(connection: &Connection) {
    exec(connection, SCHEMA);
    for table in TABLES {
        exec(connection, &format!("SELECT crsql_as_crr('{table}')"));
    }
}

/// The number of schedules to run.
pub fn schedules() -> u64 {
    std::env::var("CRSQL_SCHEDULES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(30)
        .min(400)
}

pub fn digest(connection: &Connection) -> Vec<u8> {
    one(connection, "SELECT crsql_digest()")
}

/// The digest, computed from the rows alone: nothing stored is used, and nothing can be stored.
pub fn digest_from_scratch(connection: &Connection) -> Vec<u8> {
    exec(
        connection,
        "SAVEPOINT scratch; DELETE FROM crsql_digest_state; PRAGMA query_only = 1",
    );
    let digest = digest(connection);
    exec(
        connection,
        "PRAGMA query_only = 0; ROLLBACK TO scratch; RELEASE scratch",
    );
    digest
}

/// The stored digests agree with the rows.
pub fn assert_current(connection: &Connection, context: &str) {
    let kept = digest(connection);
    assert_eq!(kept, digest_from_scratch(connection), "{context}");
    assert_eq!(kept, digest(connection), "{context}, asked again");
    let trees = "SELECT tbl, part, level, last, rank, rows, digest FROM crsql_digest_nodes ORDER BY 1, 2, 3, 4";
    let kept = rows(connection, trees);
    exec(connection, "SAVEPOINT anew; DELETE FROM crsql_digest_state");
    digest(connection);
    let anew = rows(connection, trees);
    exec(connection, "ROLLBACK TO anew; RELEASE anew");
    assert_eq!(kept, anew, "{context}: the nodes differ");
}

/// What the digest is about, read from the changes: causal lengths, cells, versions, values.
pub fn logical_state(connection: &Connection) -> Vec<String> {
    let mut found: Vec<String> = rows(
        connection,
        "SELECT lower(\"table\"), quote(pk), cl, cl % 2 = 0 OR cid = '-1', \
         CASE WHEN cl % 2 = 1 AND cid <> '-1' THEN lower(cid) || ' ' || col_version || ' ' || quote(val) END \
         FROM crsql_changes",
    )
    .into_iter()
    .map(|row| format!("{row:?}"))
    .collect();
    // Whether a live row's creation has a change of its own is no part of its state; that it is there is.
    let live = rows(
        connection,
        "SELECT DISTINCT lower(\"table\"), quote(pk), cl FROM crsql_changes",
    );
    found.retain(|row| !row.contains("Integer(1), Null]"));
    found.extend(live.iter().map(|row| format!("{row:?}")));
    found.sort();
    found
}

/// A value of any kind as SQL text; few different ones, so that keys meet.
fn value(random: &mut Random, few: usize) -> String {
    let number = random.below(few) as i64 - few as i64 / 8;
    match random.below(8) {
        0 => format!("{number}.5"),
        1 => format!("x'{:04x}'", number & 0xffff),
        2 | 3 => format!("'text {number}'"),
        4 => format!("{}", number.wrapping_mul(1 << 50)),
        _ => format!("{number}"),
    }
}

fn key(random: &mut Random, table: &str, few: usize) -> Vec<(&'static str, String)> {
    match table {
        "num" => vec![("id", format!("{}", random.below(few) as i64 - 5))],
        "word" => vec![("k", format!("'key {}'", random.below(few)))],
        "pair" => vec![
            ("b", format!("{}", random.below(4))),
            ("a", value(random, few / 4)),
        ],
        "tag" => vec![("id", format!("x'{:06x}'", random.below(few)))],
        _ => vec![
            ("x", value(random, few / 4)),
            ("y", format!("{}.5", random.below(3))),
        ],
    }
}

fn columns(table: &str) -> &'static [&'static str] {
    match table {
        "num" => &["a", "b"],
        "word" => &["zeta", "alpha"],
        "tag" => &[],
        _ => &["v"],
    }
}

fn condition(key: &[(&str, String)]) -> String {
    let terms: Vec<String> = key
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    terms.join(" AND ")
}

fn insert(random: &mut Random, table: &str, few: usize) -> String {
    let mut row = key(random, table, few);
    for column in columns(table) {
        row.push((column, value(random, 9)));
    }
    let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = row.iter().map(|(_, value)| value.as_str()).collect();
    let conflict = ["OR IGNORE", "OR REPLACE", "OR IGNORE"][random.below(3)];
    format!(
        "INSERT {conflict} INTO {table} ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    )
}

/// One random write.
pub fn write(random: &mut Random, few: usize) -> String {
    let table = *random.pick(&TABLES);
    let at = condition(&key(random, table, few));
    match random.below(12) {
        0..=4 => insert(random, table, few),
        5 => {
            let first = random.below(few);
            let last = first + random.below(few);
            format!(
                "WITH RECURSIVE c (i) AS (VALUES ({first}) UNION ALL SELECT i + 1 FROM c WHERE i < {last}) \
                 INSERT OR IGNORE INTO num SELECT i, i, 'bulk' FROM c"
            )
        }
        6 | 7 if !columns(table).is_empty() => {
            let column = *random.pick(columns(table));
            format!(
                "UPDATE {table} SET {column} = {} WHERE {at}",
                value(random, 9)
            )
        }
        8 => {
            let set: Vec<String> = key(random, table, few)
                .into_iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            format!(
                "UPDATE OR REPLACE {table} SET {} WHERE {at}",
                set.join(", ")
            )
        }
        9 => format!("DELETE FROM num WHERE id % 7 = {}", random.below(7)),
        _ => format!("DELETE FROM {table} WHERE {at}"),
    }
}

/// A few writes, perhaps in a transaction, perhaps undone in part or unrecorded.
pub fn step(random: &mut Random, connection: &Connection, few: usize) {
    let writes = |random: &mut Random| {
        for _ in 0..random.between(1, 6) {
            exec(connection, &write(random, few));
        }
    };
    match random.below(8) {
        0 => {
            exec(connection, "BEGIN");
            writes(random);
            digest(connection);
            exec(connection, "SAVEPOINT inner_one");
            writes(random);
            if random.percent(50) {
                digest(connection);
            }
            if random.percent(50) {
                exec(connection, "ROLLBACK TO inner_one");
            }
            writes(random);
            exec(connection, ["COMMIT", "ROLLBACK"][random.below(2)]);
        }
        1 => {
            exec(connection, "BEGIN");
            writes(random);
            exec(connection, "COMMIT");
        }
        _ => writes(random),
    }
}

/// Merges some of the changes of `from`, in some order.
pub fn pull(random: &mut Random, from: &Connection, to: &Connection) {
    let mut news = changes(from, random.below(8) as i64);
    if random.percent(40) {
        random.shuffle(&mut news);
    }
    news.truncate(random.between(1, 400));
    exec(to, "BEGIN");
    try_merge(to, &news).expect("merge");
    if random.percent(30) {
        digest(to);
    }
    exec(to, "COMMIT");
}
