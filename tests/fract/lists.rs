//! Order in one database: any key, any name, any sequence of inserts and moves.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::checks::{check, exec, one, quoted, refusal, upgrade};
use crate::random::Random;
use crate::support::open_memory;
use crate::{column, order, ordered};

/// A table with the columns `list`, `pos` and `txt` beside its key.
struct Shape {
    name: &'static str,
    create: &'static str,
    keys: &'static [&'static str],
}

const SHAPES: [Shape; 7] = [
    Shape {
        name: "t",
        create: "CREATE TABLE t(k INTEGER PRIMARY KEY, list, pos, txt)",
        keys: &["k"],
    },
    Shape {
        name: "new",
        create: "CREATE TABLE \"new\"(\"old\" TEXT PRIMARY KEY NOT NULL, list TEXT, pos TEXT, txt)",
        keys: &["old"],
    },
    Shape {
        name: "old",
        create: "CREATE TABLE \"old\"(\"a\" INT, \"new\" TEXT, txt, pos ANY, list INT, PRIMARY KEY (\"new\", \"a\")) WITHOUT ROWID",
        keys: &["a", "new"],
    },
    Shape {
        name: "a",
        create: "CREATE TABLE a(n TEXT NOT NULL, o REAL NOT NULL, list REAL, pos NUMERIC, txt, PRIMARY KEY (n, o))",
        keys: &["n", "o"],
    },
    Shape {
        name: "n",
        create: "CREATE TABLE n(a ANY PRIMARY KEY NOT NULL, pos TEXT, list ANY, txt ANY) STRICT",
        keys: &["a"],
    },
    Shape {
        name: "o \"r\" {table}",
        create: "CREATE TABLE \"o \"\"r\"\" {table}\"(\"k {order}\" TEXT NOT NULL, list COLLATE NOCASE, pos COLLATE NOCASE, \
                 txt NOT NULL DEFAULT '', g AS (pos || '!'), PRIMARY KEY (\"k {order}\" COLLATE BINARY))",
        keys: &["k {order}"],
    },
    Shape {
        name: "r",
        create: "CREATE TABLE r(rowid TEXT PRIMARY KEY NOT NULL COLLATE BINARY, _rowid_, oid, list, pos, txt)",
        keys: &["rowid"],
    },
];

impl Shape {
    fn table(&self) -> String {
        quoted(self.name)
    }

    fn view(&self) -> String {
        quoted(&format!("{}_fractindex", self.name))
    }

    fn keys(&self, prefix: &str) -> String {
        let names = self
            .keys
            .iter()
            .map(|key| quoted(&format!("{prefix}{key}")));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The key of a row: the last column has its number, those before are shared by several rows.
    fn key(&self, id: usize) -> String {
        match self.keys {
            [_] => id.to_string(),
            _ => format!("{}, {id}", id % 3),
        }
    }

    /// `condition on row id`
    fn is(&self, id: usize) -> String {
        format!("({}) = ({})", self.keys(""), self.key(id))
    }

    /// The rows of a list, in its order.
    fn rows(&self, connection: &Connection, list: &str) -> Vec<usize> {
        let sql = format!(
            "SELECT CAST({} AS INTEGER) FROM {} WHERE list IS {list} ORDER BY pos COLLATE BINARY",
            quoted(self.keys[self.keys.len() - 1]),
            self.table()
        );
        let ids = column(connection, &sql).into_iter();
        ids.map(|id| id.parse().expect("a number")).collect()
    }
}

/// What the lists should be.
#[derive(Default)]
struct Model {
    lists: BTreeMap<&'static str, Vec<usize>>,
}

const LISTS: [&str; 3] = ["7", "NULL", "8"];

impl Model {
    fn remove(&mut self, id: usize) {
        self.lists
            .values_mut()
            .for_each(|list| list.retain(|other| *other != id));
    }

    /// Puts a row after another, if that one is in the list, else first.
    fn put(&mut self, list: &'static str, id: usize, after: Option<usize>) {
        let rows = self.lists.entry(list).or_default();
        let place = after.and_then(|after| rows.iter().position(|row| *row == after));
        rows.insert(place.map_or(0, |place| place + 1), id);
    }

    fn list_of(&self, id: usize) -> Option<&'static str> {
        let found = self.lists.iter().find(|(_, rows)| rows.contains(&id));
        found.map(|(list, _)| *list)
    }
}

/// One statement, here and in the model.
fn step(shape: &Shape, model: &mut Model, random: &mut Random, next: &mut usize) -> String {
    let (table, view, keys) = (shape.table(), shape.view(), shape.keys(""));
    let list = LISTS[random.below(LISTS.len())];
    let id = random.below(*next);
    let anchor = random.below(*next + 1);
    let (after_keys, anchor_key) = (shape.keys("after_"), shape.key(anchor));
    let end = [-1, 1][random.below(2)];
    let last = |model: &Model, list: &str| model.lists.get(list).and_then(|l| l.last().copied());
    match random.below(7) {
        0 => {
            let after = if end == 1 { last(model, list) } else { None };
            model.put(list, *next, after);
            *next += 1;
            format!(
                "INSERT INTO {table}({keys}, list, pos) VALUES ({}, {list}, {end})",
                shape.key(*next - 1)
            )
        }
        1 => {
            model.put(list, *next, Some(anchor).filter(|anchor| anchor != next));
            *next += 1;
            format!(
                "INSERT INTO {view}({keys}, list, {after_keys}) VALUES ({}, {list}, {anchor_key})",
                shape.key(*next - 1)
            )
        }
        2 => {
            if let Some(list) = model.list_of(id) {
                model.remove(id);
                let after = if end == 1 { last(model, list) } else { None };
                model.put(list, id, after);
            }
            format!("UPDATE {table} SET pos = {end} WHERE {}", shape.is(id))
        }
        3 if id != anchor => {
            if let Some(list) = model.list_of(id) {
                model.remove(id);
                model.put(list, id, Some(anchor));
            }
            format!(
                "UPDATE {view} SET ({after_keys}) = ({anchor_key}) WHERE {}",
                shape.is(id)
            )
        }
        4 if id != anchor => {
            if model.list_of(id).is_some() {
                model.remove(id);
                model.put(list, id, Some(anchor));
            }
            format!(
                "UPDATE {view} SET list = {list}, txt = 'moved', ({after_keys}) = ({anchor_key}) WHERE {}",
                shape.is(id)
            )
        }
        5 if random.percent(30) => {
            model.remove(id);
            format!("DELETE FROM {table} WHERE {}", shape.is(id))
        }
        _ => format!("UPDATE {view} SET txt = 'stays' WHERE {}", shape.is(id)),
    }
}

#[test]
fn whatever_is_inserted_and_moved_the_lists_are_in_order() {
    for (seed, shape) in (1..).zip(SHAPES) {
        for is_replicated in [false, true] {
            let connection = open_memory();
            exec(&connection, shape.create);
            let name = shape.name.replace('\'', "''");
            if is_replicated {
                upgrade(&connection, shape.name);
            }
            order(&connection, &format!("'{name}', 'pos', 'list'"));
            let (mut model, mut random) = (Model::default(), Random::new(seed));
            let (mut next, mut context) = (1, String::new());
            for _ in 0..150 {
                let statement = step(&shape, &mut model, &mut random, &mut next);
                exec(&connection, &statement);
                context.push_str(&statement);
                context.push('\n');
                for list in LISTS {
                    let expected = model.lists.get(list).cloned().unwrap_or_default();
                    assert_eq!(
                        shape.rows(&connection, list),
                        expected,
                        "list {list}\n{context}"
                    );
                }
            }
            assert!(next > 20, "too few inserts");
            if is_replicated {
                check(&connection, &[shape.name]);
            }
        }
    }
}

#[test]
fn five_hundred_at_each_end_stay_short() {
    let connection = open_memory();
    ordered(
        &connection,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, pos)",
        "'t', 'pos'",
    );
    for id in 0..500 {
        exec(
            &connection,
            &format!("INSERT INTO t VALUES ({id}, 1), ({}, -1)", -1 - id),
        );
    }
    let ids: Vec<i64> = column(&connection, "SELECT id FROM t ORDER BY pos")
        .iter()
        .map(|id| id.parse().expect("a number"))
        .collect();
    assert_eq!(ids, (-500..500).collect::<Vec<_>>());
    assert_eq!(one::<i64>(&connection, "SELECT max(length(pos)) FROM t"), 3);
    assert_eq!(
        one::<i64>(&connection, "SELECT count(DISTINCT pos) FROM t"),
        1000
    );
}

#[test]
fn two_hundred_between_the_same_two_rows_stay_between_them() {
    let connection = open_memory();
    ordered(
        &connection,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, pos)",
        "'t', 'pos'",
    );
    exec(&connection, "INSERT INTO t VALUES (1, 1), (2, 1)");
    for id in 3..203 {
        exec(
            &connection,
            &format!("INSERT INTO t_fractindex(id, after_id) VALUES ({id}, 1)"),
        );
    }
    let mut expected = vec![1];
    expected.extend((3..203).rev());
    expected.push(2);
    let ids = column(&connection, "SELECT id FROM t ORDER BY pos");
    assert_eq!(
        ids,
        expected.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert_eq!(
        one::<i64>(
            &connection,
            "SELECT count(*) FROM t WHERE pos NOT BETWEEN 'a ' AND 'a!' OR length(pos) > 2 AND pos LIKE '% '"
        ),
        0
    );
}

#[test]
fn a_row_moved_to_where_it_is_is_not_written() {
    let connection = open_memory();
    exec(&connection, SHAPES[0].create);
    upgrade(&connection, "t");
    order(&connection, "'t', 'pos', 'list'");
    exec(
        &connection,
        "INSERT INTO t(k, pos) VALUES (1, 1), (2, 1);
         INSERT INTO t_fractindex(k, after_k) VALUES (3, 1)",
    );
    let before: i64 = one(&connection, "SELECT crsql_db_version()");
    exec(
        &connection,
        "UPDATE t_fractindex SET after_k = 1 WHERE k = 3",
    );
    assert_eq!(one::<i64>(&connection, "SELECT crsql_db_version()"), before);
}

/// SQLite leaves it open which of two triggers on one event runs first.
#[test]
fn the_order_in_which_the_views_triggers_run_does_not_matter() {
    let setup =
        "INSERT INTO t VALUES (1, 7, 1, 'x'), (2, 7, 1, 'x'), (3, 8, 1, 'x'), (4, 8, 1, 'x')";
    let statement =
        "UPDATE t_fractindex SET k = 10 * k, list = 8, txt = 'y', after_k = 3 WHERE k = 1";
    let mut outcomes = Vec::new();
    for trigger in ["t_fractindex_update_trig", "t_fractindex_move_trig"] {
        let connection = open_memory();
        exec(&connection, "PRAGMA recursive_triggers = ON");
        ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
        let sql: String = one(
            &connection,
            &format!("SELECT sql FROM sqlite_schema WHERE name = '{trigger}'"),
        );
        exec(&connection, &format!("DROP TRIGGER {trigger}"));
        exec(&connection, &sql);
        exec(&connection, setup);
        exec(&connection, statement);
        outcomes.push(column(
            &connection,
            "SELECT k || ' ' || list || ' ' || pos || ' ' || txt FROM t ORDER BY list, pos",
        ));
    }
    assert_eq!(
        outcomes[0],
        ["2 7 a! x", "3 8 a  x", "10 8 a P y", "4 8 a! x"]
    );
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn a_row_moved_after_itself_stays_in_its_place() {
    let connection = open_memory();
    ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
    exec(
        &connection,
        "INSERT INTO t(k, pos) VALUES (1, 1), (2, 1), (3, 1)",
    );
    exec(
        &connection,
        "UPDATE t_fractindex SET after_k = 2 WHERE k = 2",
    );
    assert_eq!(
        column(&connection, "SELECT k FROM t ORDER BY pos"),
        ["1", "2", "3"]
    );
}

#[test]
fn keys_that_differ_only_in_case_are_two_rows() {
    let connection = open_memory();
    ordered(
        &connection,
        "CREATE TABLE t(k TEXT NOT NULL COLLATE NOCASE, pos, PRIMARY KEY (k COLLATE BINARY))",
        "'t', 'pos'",
    );
    exec(&connection, "INSERT INTO t VALUES ('a', 'a!'), ('A', 1)");
    exec(
        &connection,
        "INSERT INTO t_fractindex(k, after_k) VALUES ('b', 'a')",
    );
    exec(
        &connection,
        "UPDATE t SET pos = -1 WHERE k = 'A' COLLATE BINARY",
    );
    assert_eq!(
        column(&connection, "SELECT k || pos FROM t ORDER BY pos"),
        ["Aa ", "aa!", "ba!P"]
    );
}

#[test]
fn or_replace_and_or_ignore_reach_the_table() {
    let connection = open_memory();
    ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
    exec(
        &connection,
        "INSERT INTO t VALUES (1, 7, 1, 'x'), (2, 7, 1, 'x'), (3, 7, 1, 'x');
         INSERT OR REPLACE INTO t_fractindex(k, list, txt, after_k) VALUES (1, 7, 'y', 2);
         INSERT OR IGNORE INTO t_fractindex(k, list, txt, after_k) VALUES (3, 7, 'z', 2);
         UPDATE OR IGNORE t_fractindex SET k = 3, after_k = NULL WHERE k = 1",
    );
    assert_eq!(
        column(&connection, "SELECT k || txt FROM t ORDER BY pos"),
        ["1y", "2x", "3x"],
        "the key stays, the move is made"
    );
    let refused = refusal(
        &connection,
        "INSERT INTO t_fractindex(k, list, after_k) VALUES (3, 7, 2)",
    );
    assert_eq!(refused, "UNIQUE constraint failed: t.k");
}

#[test]
fn the_application_sees_its_own_row_ids_and_counts() {
    let connection = open_memory();
    ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
    exec(&connection, "INSERT INTO t(k, pos) VALUES (5, 1)");
    assert_eq!(connection.last_insert_rowid(), 5);
    assert_eq!(connection.changes(), 1);
    exec(&connection, "UPDATE t SET pos = -1");
    assert_eq!(connection.changes(), 1);
    order(&connection, "'t', 'pos'");
    assert_eq!(connection.last_insert_rowid(), 5);
}

#[test]
fn triggers_of_the_application_see_the_position() {
    let connection = open_memory();
    ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
    exec(
        &connection,
        "CREATE TABLE seen(pos);
         CREATE TRIGGER look AFTER UPDATE OF pos ON t BEGIN INSERT INTO seen VALUES (NEW.pos); END;
         INSERT INTO t(k, pos) VALUES (5, 1)",
    );
    assert_eq!(column(&connection, "SELECT pos FROM seen"), ["a "]);
}

/// Without an index this holds as well; with one no list is read whole.
#[test]
fn an_index_on_list_and_position_is_used() {
    let mut connection = open_memory();
    ordered(&connection, SHAPES[0].create, "'t', 'pos', 'list'");
    exec(&connection, "CREATE INDEX t_by_position ON t(list, pos)");
    exec(
        &connection,
        "WITH RECURSIVE run(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM run WHERE n < 2000)
         INSERT INTO t(k, list, pos) SELECT n, 7, printf('b%02d', n % 90) || n || 'P' FROM run",
    );
    let steps = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        false
    };
    connection
        .progress_handler(10, Some(count))
        .expect("install a progress handler");
    for statement in [
        "INSERT INTO t(k, list, pos) VALUES (3000, 7, 1)",
        "UPDATE t SET pos = -1 WHERE k = 1000",
        "INSERT INTO t_fractindex(k, list, after_k) VALUES (3001, 7, 500)",
        "UPDATE t_fractindex SET after_k = 500 WHERE k = 1500",
    ] {
        steps.store(0, std::sync::atomic::Ordering::Relaxed);
        exec(&connection, statement);
        let taken = 10 * steps.load(std::sync::atomic::Ordering::Relaxed);
        assert!(taken < 2000, "{taken} steps for {statement}");
    }
}
