//! A database with everything in it that has a form of its own, and what it and its peers say.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::checks::{exec, one};
use crate::open::{QUERIES, SCHEMA};
use crate::report;
use crate::support::{changes, merge, open, open_memory};

/// Local writes: runs by rowid and by packed key, cells written again, tombstones, later lives, moved rows.
const WRITES: [&str; 12] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
     INSERT INTO notes SELECT i, 'title ' || i, NULL, i % 5 FROM n",
    "INSERT INTO tags VALUES (1, 'red', 0.5), (1, 'été', -0.0), (2, 'blue', 1e300), (3, '', NULL)",
    "INSERT INTO names VALUES ('one'), ('two'), ('three')",
    "INSERT INTO typed VALUES (x'00ff', 1, 'text', 1.5, x'', 'any'), (x'', -9223372036854775808, '', -1e-300, x'00', 7)",
    "INSERT INTO wide(k, c1, c64, c70) VALUES (1, 'first', 'middle', 'last'), (2, 2, 2, 2)",
    "UPDATE notes SET body = 'body' WHERE id % 7 = 0; UPDATE notes SET title = 'new', stars = 9 WHERE id = 3",
    "UPDATE wide SET c70 = 'later' WHERE k = 1; UPDATE wide SET c1 = NULL, c64 = 64, c65 = 65",
    "DELETE FROM notes WHERE id IN (4, 5); INSERT INTO notes(id, title) VALUES (5, 'again')",
    "UPDATE notes SET id = 100 WHERE id = 6; UPDATE tags SET tag = 'green' WHERE tag = 'red'",
    "INSERT OR REPLACE INTO typed VALUES (x'', 5, 'replaced', 0.0, NULL, 1.0)",
    "DELETE FROM names WHERE k = 'two'; DELETE FROM names WHERE k = 'three'; INSERT INTO names VALUES ('three')",
    "INSERT INTO list(id, pos, title) VALUES (1, 1, 'a'), (2, 1, 'b'), (3, -1, 'c'); UPDATE list SET pos = 1 WHERE id = 3",
];

/// Changes of the schema: late columns, a dropped one, renamed ones, a table that is gone.
const MIGRATIONS: [&str; 5] = [
    "ALTER TABLE notes ADD COLUMN late TEXT DEFAULT 'none'; UPDATE notes SET late = 'set' WHERE id < 3;
     INSERT INTO notes(id, title) VALUES (200, 'holds the default')",
    "SELECT crsql_begin_alter('notes'); ALTER TABLE notes DROP COLUMN stars;
     ALTER TABLE notes RENAME COLUMN body TO content; SELECT crsql_commit_alter('notes')",
    "ALTER TABLE former RENAME TO latter; UPDATE latter SET v = 2",
    "INSERT INTO gone VALUES (1, 1); UPDATE gone SET v = 2; DROP TABLE gone",
    "INSERT INTO crsql_tracked_peers VALUES (x'aa', 12, 3, 0, 0), (x'aa', 5, 0, 0, 1)",
];

/// Writes the files of a fixture.
pub fn fixture(directory: &Path) {
    database(directory, "database", "");
    database(
        directory,
        "equal-values",
        "SELECT crsql_config_set('merge-equal-values', 1);",
    );
}

fn peer() -> Connection {
    let connection = open_memory();
    exec(&connection, SCHEMA);
    connection
}

fn database(directory: &Path, name: &str, setting: &str) {
    let file = |suffix: &str| directory.join(format!("{name}{suffix}"));
    let connection = Connection::open(file(".db")).expect("open");
    exec(&connection, "PRAGMA page_size = 1024; VACUUM");
    drop(connection);
    let connection = open(file(".db"));
    exec(&connection, setting);
    exec(&connection, SCHEMA);
    exec(
        &connection,
        "CREATE TABLE gone(k INTEGER PRIMARY KEY, v); SELECT crsql_as_crr('gone')",
    );
    WRITES.iter().for_each(|sql| exec(&connection, sql));

    // Two peers write at the same time, one of them ahead by a column and a table.
    let (ahead, other) = (peer(), peer());
    for side in [&ahead, &other] {
        merge(side, &changes(&connection, 0));
    }
    exec(
        &ahead,
        "ALTER TABLE tags ADD COLUMN extra; UPDATE tags SET extra = 'waits', weight = 7;
         CREATE TABLE later(k INTEGER PRIMARY KEY, v); SELECT crsql_as_crr('later');
         INSERT INTO later VALUES (1, 'waits'), (2, 'waits'); DELETE FROM later WHERE k = 2;
         UPDATE notes SET title = 'ahead' WHERE id BETWEEN 10 AND 12; DELETE FROM notes WHERE id = 13",
    );
    exec(
        &other,
        "UPDATE notes SET title = 'other' WHERE id BETWEEN 11 AND 14; INSERT INTO notes(id, title) VALUES (300, 'merged');
         UPDATE wide SET c2 = 'other'; INSERT INTO names VALUES ('two')",
    );
    for side in [&ahead, &other] {
        merge(&connection, &changes(side, 0));
    }
    MIGRATIONS.iter().for_each(|sql| exec(&connection, sql));
    parts(&connection, &file("-last-part.changeset"));
    digest_and_messages(&connection, &file(""));

    let data: Vec<u8> = one(&connection, "SELECT crsql_changeset(0)");
    std::fs::write(file(".changeset"), data).expect("write");
    std::fs::write(file(".txt"), report(&connection, &QUERIES)).expect("write");
}

/// A transaction that came in parts, but for the last one, which becomes a file.
fn parts(connection: &Connection, file: &Path) {
    let large = peer();
    exec(
        &large,
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1020)
         INSERT INTO notes(id, title, body) SELECT i, 'part', hex(randomblob(60)) FROM n",
    );
    let parts: Vec<Vec<u8>> = large
        .prepare("SELECT data FROM crsql_changesets(0, NULL, 1500)")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .expect("the parts");
    let (last, others) = parts.split_last().expect("parts");
    assert!(!others.is_empty());
    for part in others {
        let won: i64 = connection
            .query_row("SELECT crsql_apply(?1)", [part], |row| row.get(0))
            .expect("apply a part");
        assert_eq!(won, 0);
    }
    std::fs::write(file, last).expect("write");
}

/// What the database says to an empty one until all its rows are told.
fn digest_and_messages(connection: &Connection, prefix: &Path) {
    let empty = open_memory();
    exec(&empty, &crate::open::schema_of(connection));
    let mut number = 0;
    let mut message: Option<Vec<u8>> = Some(one(connection, "SELECT crsql_reconcile()"));
    let mut listeners = [&empty, connection].into_iter().cycle();
    while let Some(said) = message {
        if number % 2 == 0 {
            let file = format!("{}.message-{}", prefix.display(), number / 2);
            std::fs::write(file, &said).expect("write");
        }
        number += 1;
        let listener = listeners.next().expect("a listener");
        message = listener
            .query_row("SELECT crsql_reconcile(?1)", params![said], |row| {
                row.get(0)
            })
            .expect("an answer");
    }
    assert!(number > 2, "nothing was told");
}
