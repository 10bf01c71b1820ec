//! Databases that are given what a fuzzer made, and what must hold of them afterwards.

use std::sync::OnceLock;

use rusqlite::{Connection, Error};

use crate::schedule::random::Random;
use crate::support;

/// The tables, with what a change needs to fit: the number of key columns, and the other columns.
pub const TABLES: [(&str, usize, &[&str]); 6] = [
    ("num", 1, &["a", "b"]),
    ("word", 1, &["zeta", "Alpha"]),
    ("pair", 2, &["v"]),
    ("strict", 1, &["i", "r", "t"]),
    ("picky", 1, &["n", "u"]),
    ("tag", 1, &[]),
];

const SCHEMA: &str = "
CREATE TABLE num(id INTEGER PRIMARY KEY, a, b TEXT);
CREATE TABLE word(k TEXT PRIMARY KEY NOT NULL, zeta, Alpha REAL);
CREATE TABLE pair(a NOT NULL, b INTEGER NOT NULL, v, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE strict(k ANY PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT) STRICT;
CREATE TABLE picky(id INTEGER PRIMARY KEY NOT NULL, n NOT NULL DEFAULT 0 CHECK (n IS NOT 13), u);
CREATE TABLE tag(id BLOB PRIMARY KEY NOT NULL);
SELECT crsql_as_crr('num'), crsql_as_crr('word'), crsql_as_crr('pair');
SELECT crsql_as_crr('strict'), crsql_as_crr('picky'), crsql_as_crr('tag');";

/// Rows in every state: pristine, changed, deleted, in a second life.
const ROWS: &str = "
INSERT INTO num VALUES (0, 'zero', 'z'), (1, 'one', 'o'), (2, 2, 't'), (3, NULL, NULL);
UPDATE num SET a = 'changed' WHERE id = 1;
DELETE FROM num WHERE id = 2;
DELETE FROM num WHERE id = 3;
INSERT INTO num VALUES (3, 'again', '3');
INSERT INTO word VALUES ('a', 1, 1.5), ('b', 2, 2.5), ('1', 3, 3.5);
UPDATE word SET k = 'c' WHERE k = 'b';
INSERT INTO pair VALUES (1, 1, 1), ('a', 1, 2);
INSERT INTO strict VALUES ('a', 1, 1.5, 't'), (1, 2, 2.0, 'u');
INSERT INTO picky VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO tag VALUES (x'00'), (x'61');
DELETE FROM tag WHERE id = x'61';";

fn image(sql: &str) -> Vec<u8> {
    let mut connection = support::open_memory();
    connection.execute_batch(sql).expect("prepare a replica");
    connection.serialize("main").expect("its bytes").to_vec()
}

fn open(image: &[u8]) -> Connection {
    let mut connection = Connection::open_in_memory().expect("open a database in memory");
    connection
        .deserialize_read_exact("main", image, image.len(), false)
        .expect("its bytes");
    support::load(&connection).expect("load the extension");
    connection
}

/// A replica with rows. All have the same site id.
pub fn filled() -> Connection {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    open(IMAGE.get_or_init(|| image(&[SCHEMA, ROWS].concat())))
}

/// A replica with empty tables. All have the same site id, which is not that of `filled`.
pub fn empty() -> Connection {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    open(IMAGE.get_or_init(|| image(SCHEMA)))
}

/// The name of a table and its shape; seldom of one that is not there.
pub fn table(random: &mut Random) -> (&'static str, usize, &'static [&'static str]) {
    match random.below(24) {
        0 => ("unknown", 1, &["a", "x"]),
        other => TABLES[other % TABLES.len()],
    }
}

/// All that a user can see, as texts. A site keeps the number that it got in a transaction that goes on.
pub fn state(connection: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    let mut tables: Vec<&str> = TABLES.iter().map(|(table, ..)| *table).collect();
    tables.extend(["crsql_changes", "crsql_parked_changes"]);
    if connection.is_autocommit() {
        tables.push("crsql_site_id");
    }
    for table in tables {
        let sql = format!("SELECT * FROM {table}");
        let mut statement = connection.prepare(&sql).expect(table);
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect(table);
        while let Some(row) = rows.next().expect(table) {
            let cells = (0..columns).map(|column| format!("{:?}", row.get_ref(column)));
            found.push(format!("{table} {}", cells.collect::<Vec<_>>().join(" ")));
        }
    }
    found
}

/// The state is still that one.
pub fn assert_state(connection: &Connection, before: &[String], context: &str) {
    let after = state(connection);
    let gone: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
    let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    assert!(before == after, "{context}: {gone:#?} became {new:#?}");
}

pub fn digest(connection: &Connection) -> Vec<u8> {
    connection
        .query_row("SELECT crsql_digest()", [], |row| row.get(0))
        .expect("a digest")
}

/// Nothing is broken: the file, the records and the log, the stored digests. What was written elsewhere under this
/// database's own site id is reported, and is no damage.
pub fn assert_sound(connection: &Connection) {
    assert_sound_but_for(connection, "site id used elsewhere");
}

/// As `assert_sound`, but for one kind of problem.
pub fn assert_sound_but_for(connection: &Connection, tolerated: &str) {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect(sql);
        let rows = statement.query_map([], |row| row.get(0));
        rows.and_then(Iterator::collect).expect(sql)
    };
    assert_eq!(texts("PRAGMA integrity_check"), ["ok"]);
    let problems = format!(
        "SELECT concat_ws(' ', c.problem, c.\"table\", c.key, c.detail) FROM crsql_check AS c
         WHERE c.problem <> '{tolerated}'"
    );
    assert!(texts(&problems).is_empty(), "{:?}", texts(&problems));
    assert!(connection.is_autocommit(), "a transaction is open");
    let sync_bit = texts("SELECT crsql_internal_sync_bit() || ''");
    assert_eq!(sync_bit, ["0"], "the sync bit");
    let kept = digest(connection);
    connection
        .execute_batch("SAVEPOINT scratch; DELETE FROM crsql_digest_state")
        .expect("forget the digests");
    let anew = digest(connection);
    connection
        .execute_batch("ROLLBACK TO scratch; RELEASE scratch")
        .expect("undo that");
    assert_eq!(kept, anew, "the stored digest");
}

/// A local write is recorded.
pub fn assert_captures(connection: &Connection) {
    let changes = "SELECT count(*) FROM crsql_changes WHERE \"table\" = 'num'";
    let count = || -> i64 {
        connection
            .query_row(changes, [], |row| row.get(0))
            .expect("a count")
    };
    connection
        .execute_batch("SAVEPOINT probe; DELETE FROM num WHERE id = 77")
        .expect("room");
    let before = count();
    connection
        .execute_batch("INSERT INTO num VALUES (77, 'probe', 'p')")
        .expect("a local write");
    assert!(count() > before, "the write was not recorded");
    connection
        .execute_batch("ROLLBACK TO probe; RELEASE probe")
        .expect("undo that");
}

/// An error that a user can do something about; an error of ours inside would be a panic.
pub fn assert_clean(error: &Error) {
    let text = error.to_string();
    assert!(!text.contains("internal error"), "{text}");
    assert!(text.len() > 8, "an error without a text: {text}");
}
