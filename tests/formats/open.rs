//! Opening what was written in any format: its content is what it was, and it goes on from there.

use std::path::Path;

use rusqlite::Connection;

use crate::checks::{assert_same, check_partial, exec, one, rows};
use crate::report;
use crate::support::{changes, merge, open, open_memory, scratch_dir};

/// The tables as the database begins with them.
pub const SCHEMA: &str = "
    CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, body, stars INT DEFAULT 0);
    CREATE TABLE tags(note INT NOT NULL, tag TEXT NOT NULL, weight REAL, PRIMARY KEY (note, tag)) WITHOUT ROWID;
    CREATE TABLE names(k TEXT PRIMARY KEY NOT NULL);
    CREATE TABLE typed(k BLOB PRIMARY KEY NOT NULL, i INT, t TEXT, r REAL, b BLOB, a ANY) STRICT;
    CREATE TABLE wide(k INTEGER PRIMARY KEY, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17,
        c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, c39, c40,
        c41, c42, c43, c44, c45, c46, c47, c48, c49, c50, c51, c52, c53, c54, c55, c56, c57, c58, c59, c60, c61, c62, c63,
        c64, c65, c66, c67, c68, c69, c70);
    CREATE TABLE list(id INTEGER PRIMARY KEY, pos ANY, title);
    CREATE TABLE former(k INTEGER PRIMARY KEY, v);
    SELECT crsql_as_crr('notes'); SELECT crsql_as_crr('tags'); SELECT crsql_as_crr('names');
    SELECT crsql_as_crr('typed'); SELECT crsql_as_crr('wide'); SELECT crsql_as_crr('list');
    SELECT crsql_as_crr('former'); INSERT INTO former VALUES (1, 1);
    SELECT crsql_fract_as_ordered('list', 'pos')";

/// The replicated tables in the end.
const TABLES: [&str; 7] = ["notes", "tags", "names", "typed", "wide", "list", "latter"];

/// What must be the same for ever.
pub const QUERIES: [&str; 14] = [
    "SELECT hex(crsql_site_id())",
    "SELECT crsql_db_version()",
    "SELECT hex(crsql_digest())",
    "SELECT * FROM notes ORDER BY id",
    "SELECT * FROM tags ORDER BY note, tag",
    "SELECT * FROM names ORDER BY k",
    "SELECT * FROM typed ORDER BY k",
    "SELECT * FROM wide ORDER BY k",
    "SELECT * FROM list ORDER BY pos, id",
    "SELECT * FROM latter ORDER BY k",
    "SELECT \"table\", pk, cid, val, col_version, db_version, site_id, cl, seq FROM crsql_changes",
    "SELECT tbl, pk, cid, val, col_version, db_version, site_id, cl, seq FROM crsql_parked_changes",
    "SELECT site_id, version, seq, tag, event FROM crsql_tracked_peers",
    "SELECT crsql_config_get('merge-equal-values')",
];

/// The tables as the database declares them now.
pub fn schema_of(connection: &Connection) -> String {
    let tables = TABLES.map(|table| {
        let sql =
            format!("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '{table}'");
        let create: String = one(connection, &sql);
        format!("{create}; SELECT crsql_as_crr('{table}');")
    });
    tables.concat()
}

/// Opens all that a directory holds.
pub fn everything(fixture: &Path) {
    let scratch = scratch_dir();
    let mut databases = 0;
    for entry in std::fs::read_dir(fixture).expect("the fixture") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        databases += 1;
        let copy = scratch.join(path.file_name().expect("a name"));
        std::fs::copy(&path, &copy).expect("copy");
        let stem = path.with_extension("");
        reads_the_same(&copy, &stem);
        changesets_and_messages(&copy, &stem);
        goes_on(&copy, &stem);
    }
    assert!(databases > 0, "no database in {}", fixture.display());
}

fn bytes(stem: &Path, suffix: &str) -> Option<Vec<u8>> {
    std::fs::read(format!("{}{suffix}", stem.display())).ok()
}

/// The content that was noted, made again by the queries that stand in it.
fn content_now(connection: &Connection, stem: &Path) -> (String, String) {
    let noted = bytes(stem, ".txt").expect("the content");
    let noted = String::from_utf8(noted).expect("a text");
    let queries: Vec<&str> = noted
        .lines()
        .filter_map(|line| line.strip_prefix("-- "))
        .collect();
    assert!(queries.len() > 10);
    (report(connection, &queries), noted)
}

fn reads_the_same(copy: &Path, stem: &Path) {
    let connection = open(copy);
    let (found, noted) = content_now(&connection, stem);
    for (found, noted) in found.lines().zip(noted.lines()) {
        assert_eq!(found, noted, "{}", stem.display());
    }
    assert_eq!(found.len(), noted.len(), "{}", stem.display());
    assert_sound(&connection);
}

fn assert_sound(connection: &Connection) {
    let has_later = "SELECT count(*) FROM sqlite_schema WHERE name = 'later'";
    let is_added = |table: &str| table != "later" || one::<i64>(connection, has_later) == 1;
    let tables: Vec<&str> = TABLES
        .into_iter()
        .chain(["later"])
        .filter(|t| is_added(t))
        .collect();
    let problems = rows(connection, "SELECT * FROM crsql_check");
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(one::<String>(connection, "PRAGMA integrity_check"), "ok");
    drop(check_partial(connection, &tables));
}

fn apply(connection: &Connection, data: &[u8]) -> i64 {
    connection
        .query_row("SELECT crsql_apply(?1)", [data], |row| row.get(0))
        .expect("apply a changeset")
}

/// A database with the same tables and nothing in them.
fn empty(connection: &Connection) -> Connection {
    let other = open_memory();
    exec(&other, &schema_of(connection));
    other
}

/// What was written to be sent makes a new replica equal, and is old news to the database itself.
fn changesets_and_messages(copy: &Path, stem: &Path) {
    let connection = open(copy);
    let data = bytes(stem, ".changeset").expect("a changeset");
    assert_eq!(apply(&connection, &data), 0);
    let by_changeset = empty(&connection);
    assert!(apply(&by_changeset, &data) > 0);
    assert_same(&connection, &by_changeset, &TABLES, "by changeset");

    let by_message = empty(&connection);
    let mut count = 0;
    while let Some(message) = bytes(stem, &format!(".message-{count}")) {
        count += 1;
        for side in [&connection, &by_message] {
            side.query_row("SELECT crsql_reconcile(?1)", [&message], |_| Ok(()))
                .expect("an answer");
        }
    }
    assert!(count > 1);
    assert_same(&connection, &by_message, &TABLES, "by messages");
    let digest = |connection: &Connection| one::<Vec<u8>>(connection, "SELECT crsql_digest()");
    assert_eq!(digest(&connection), digest(&by_message));
    assert_eq!(digest(&connection), digest(&by_changeset));
    let (found, noted) = content_now(&connection, stem);
    assert_eq!(found, noted, "after old news");
}

/// Writes, waits no more, merges with a replica that is new, and changes the schema.
fn goes_on(copy: &Path, stem: &Path) {
    let connection = open(copy);
    let version: i64 = one(&connection, "SELECT crsql_db_version()");
    let last = bytes(stem, "-last-part.changeset").expect("the last part");
    assert!(
        apply(&connection, &last) > 20,
        "the parts make a transaction"
    );
    exec(
        &connection,
        "INSERT INTO notes(id, title) VALUES (8000, 'new'); UPDATE notes SET content = 'written', late = 'none';
         DELETE FROM notes WHERE id % 3 = 0; INSERT INTO notes(id, title) VALUES (3, 'new life');
         UPDATE tags SET tag = tag || '!', weight = weight + 1 WHERE note = 1; INSERT OR REPLACE INTO tags VALUES (1, 'green!', 2);
         DELETE FROM names; INSERT INTO names VALUES ('one'), ('four');
         UPDATE typed SET i = 1, a = NULL; UPDATE wide SET c1 = 1, c63 = 63, c70 = 70;
         INSERT INTO list_fractindex(id, title, after_id) VALUES (9, 'between', 1);
         INSERT INTO latter VALUES (2, 2); DELETE FROM latter WHERE k = 1",
    );
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT min(db_version) FROM crsql_changes WHERE val = 'written'"
        ),
        version + 3
    );
    assert_sound(&connection);
    assert_eq!(
        one::<String>(
            &connection,
            "SELECT group_concat(id) FROM (SELECT id FROM list ORDER BY pos, id)"
        ),
        "1,9,2,3"
    );

    // What waited for its schema is merged.
    assert!(one::<i64>(&connection, "SELECT count(*) FROM crsql_parked") > 0);
    exec(
        &connection,
        "CREATE TABLE later(k INTEGER PRIMARY KEY, v); SELECT crsql_as_crr('later');
         SELECT crsql_begin_alter('tags'); ALTER TABLE tags ADD COLUMN extra; SELECT crsql_commit_alter('tags')",
    );
    // Only those of the column that was dropped wait on.
    let waiting = "SELECT DISTINCT cid FROM crsql_parked_changes";
    assert_eq!(one::<String>(&connection, waiting), "stars");
    assert_eq!(
        one::<String>(&connection, "SELECT group_concat(v) FROM later"),
        "waits"
    );
    assert!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM tags WHERE extra = 'waits'"
        ) > 0
    );
    // A change under a former name finds its column.
    exec(
        &connection,
        "INSERT INTO crsql_changes VALUES ('notes', crsql_pack_columns(8000), 'body', 'by the former name', 99, 1, x'0b', 1, 0),
                                          ('former', crsql_pack_columns(2), 'v', 'too', 99, 1, x'0b', 1, 0)",
    );
    assert_eq!(
        one::<String>(&connection, "SELECT content FROM notes WHERE id = 8000"),
        "by the former name"
    );
    assert_eq!(
        one::<String>(&connection, "SELECT v FROM latter WHERE k = 2"),
        "too"
    );
    assert_sound(&connection);

    // A new replica, both ways.
    let fresh = empty(&connection);
    merge(&fresh, &changes(&connection, 0));
    exec(
        &fresh,
        "UPDATE notes SET title = 'from there' WHERE id < 20; DELETE FROM tags; INSERT INTO names VALUES ('five')",
    );
    merge(&connection, &changes(&fresh, 0));
    assert_same(&connection, &fresh, &TABLES, "both ways");
    assert_sound(&connection);
    let site: Vec<u8> = one(&connection, "SELECT crsql_site_id_reset()");
    assert_eq!(site.len(), 16);
    assert_sound(&connection);
}

#[test]
fn all_formats_are_read_for_ever() {
    let all = crate::all_fixtures();
    assert!(!all.is_empty());
    for fixture in all {
        everything(&fixture);
    }
}
