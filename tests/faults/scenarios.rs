//! The work that is done while faults are injected: every way in which the extension writes.
//!
//! A scenario is a list of steps. Each is one transaction, so that after a fault the database must be as it was
//! before or after one of them.

use rusqlite::types::Value;
use rusqlite::{Connection, Error, Result, params_from_iter};

use crate::checks::{exec, one, rows};
use crate::support::{Change, changes, load, open_memory};

/// One statement.
#[derive(Debug, Clone)]
pub struct Part {
    pub sql: String,
    pub values: Vec<Value>,
}

impl Part {
    /// Runs it to its end, whatever rows it gives.
    pub fn run(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare(&self.sql)?;
        let mut rows = statement.query(params_from_iter(&self.values))?;
        while rows.next()?.is_some() {}
        Ok(())
    }
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Step {
    pub parts: Vec<Part>,
    pub has_begin: bool,
}

impl Step {
    pub fn run(&self, connection: &Connection) -> Result<()> {
        if self.has_begin {
            connection.execute_batch("BEGIN")?;
        }
        self.parts
            .iter()
            .try_for_each(|part| part.run(connection))?;
        if self.has_begin {
            connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// As an application that goes on after any error: how many there were.
    pub fn run_on(&self, connection: &Connection) -> Vec<Error> {
        let mut errors = Vec::new();
        if self.has_begin {
            errors.extend(connection.execute_batch("BEGIN").err());
        }
        errors.extend(
            self.parts
                .iter()
                .filter_map(|part| part.run(connection).err()),
        );
        if !connection.is_autocommit() {
            errors.extend(connection.execute_batch("COMMIT").err());
        }
        errors
    }
}

/// Work on a database.
pub struct Scenario {
    pub name: &'static str,
    /// Fills the database; loads the extension if that is part of it
    pub prepare: Box<dyn Fn(&Connection) + Send + Sync>,
    pub steps: Vec<Step>,
    /// Whether a new replica can be made of its changes alone. What was taken over may say less than a row has.
    pub is_rebuilt: bool,
    /// Local writes after the work
    pub after: Vec<Step>,
}

fn part(sql: impl Into<String>) -> Part {
    Part {
        sql: sql.into(),
        values: Vec::new(),
    }
}

fn with(sql: &str, value: Vec<u8>) -> Part {
    Part {
        sql: sql.to_owned(),
        values: vec![Value::Blob(value)],
    }
}

/// A step of one statement, that commits by itself.
fn alone(part: Part) -> Step {
    Step {
        parts: vec![part],
        has_begin: false,
    }
}

fn single(sql: impl Into<String>) -> Step {
    alone(part(sql))
}

fn together(parts: Vec<Part>) -> Step {
    Step {
        parts,
        has_begin: true,
    }
}

fn transaction(sql: &[&str]) -> Step {
    together(sql.iter().map(|sql| part(*sql)).collect())
}

/// The insert of one change.
fn merge(change: &Change) -> Part {
    Part {
        sql: "INSERT INTO crsql_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)".to_owned(),
        values: vec![
            change.table.clone().into(),
            change.pk.clone().into(),
            change.cid.clone().into(),
            change.val.clone(),
            change.col_version.into(),
            change.db_version.into(),
            change.site_id.clone().into(),
            change.cl.into(),
            change.seq.into(),
        ],
    }
}

const SCHEMA: &str = "
CREATE TABLE t (k INTEGER PRIMARY KEY, a, b DEFAULT 'd');
CREATE TABLE w (k TEXT PRIMARY KEY NOT NULL, a, b);
CREATE TABLE pair (x TEXT NOT NULL, y INT NOT NULL, v, PRIMARY KEY (y, x)) WITHOUT ROWID;";

/// Rows in all states: pristine, changed, deleted, in a second life.
fn prepare(connection: &Connection) {
    load(connection).expect("load the extension");
    exec(connection, SCHEMA);
    for table in ["t", "w", "pair"] {
        exec(connection, &format!("SELECT crsql_as_crr('{table}')"));
    }
    exec(
        connection,
        "INSERT INTO t(k, a) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5);
         INSERT INTO w SELECT 'key ' || k, a, zeroblob(100) FROM t;
         INSERT INTO pair SELECT 'x' || k, k, a FROM t;
         UPDATE t SET a = 'x' WHERE k = 2; UPDATE w SET a = 'x' WHERE k = 'key 2';
         DELETE FROM t WHERE k IN (3, 4); DELETE FROM w WHERE k IN ('key 3', 'key 4');
         INSERT INTO t(k, a) VALUES (4, 'again'); INSERT INTO w VALUES ('key 4', 'again', 'é');",
    );
}

/// A peer that has the same rows and has written to them, and to a table and a column that are not here.
fn peer(extra: &str) -> Connection {
    let peer = open_memory();
    prepare(&peer);
    exec(
        &peer,
        "UPDATE t SET a = 'from the peer', b = 'peer'; DELETE FROM t WHERE k = 1;
         UPDATE w SET b = 'from the peer' WHERE k < 'key 4'; DELETE FROM w WHERE k = 'key 1';
         INSERT INTO t(k, a) VALUES (3, 'life'), (9, 9); UPDATE t SET k = 10 WHERE k = 5;
         INSERT INTO w VALUES ('new', 'one', 1); UPDATE pair SET x = x || 'y' WHERE y < 3;
         ALTER TABLE pair ADD COLUMN more; UPDATE pair SET more = y;
         CREATE TABLE n (k INTEGER PRIMARY KEY, a, b); SELECT crsql_as_crr('n');
         INSERT INTO n VALUES (1, 'peer', 1), (70, 'peer', 2);",
    );
    exec(&peer, extra);
    peer
}

fn many(table: &str, from: i64, count: i64) -> String {
    let to = from + count - 1;
    let key = if table == "t" { "i" } else { "'many ' || i" };
    format!(
        "WITH RECURSIVE i(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM i WHERE i < {to}) \
         INSERT INTO {table}(k, a, b) SELECT {key}, i, substr('{}', i % 30) FROM i",
        "long text ".repeat(20)
    )
}

const AFTER: &[&str] = &[
    "REPLACE INTO t(k, b) VALUES (900, 'after'), (3, 'after')",
    "UPDATE t SET b = 'after' WHERE k > 1",
    "DELETE FROM t WHERE k = 2",
];

fn scenario(name: &'static str, steps: Vec<Step>) -> Scenario {
    Scenario {
        name,
        prepare: Box::new(prepare),
        steps,
        is_rebuilt: true,
        after: AFTER.iter().map(|sql| single(*sql)).collect(),
    }
}

fn capture() -> Vec<Scenario> {
    let rows = [
        "INSERT INTO t(k, a) VALUES (7, 7)",
        "UPDATE t SET b = 'u' WHERE k = 1",
        "DELETE FROM t WHERE k = 2",
        "INSERT INTO w VALUES ('one', 1, 2)",
        "UPDATE OR REPLACE t SET k = 4 WHERE k = 7",
        "UPDATE pair SET x = 'moved' WHERE y = 1",
        "REPLACE INTO w VALUES ('key 5', 'r', 'r')",
        "DELETE FROM pair WHERE y > 3",
    ];
    let bulk = vec![
        single(many("t", 100, 150)),
        single(many("w", 100, 80)),
        single("UPDATE t SET a = 'all', b = zeroblob(200)"),
        single("UPDATE w SET k = k || '+' WHERE k LIKE 'many 1_%'"),
        single("DELETE FROM t WHERE k % 3 = 0"),
    ];
    let long = transaction(&[
        "INSERT INTO t(k, a) VALUES (7, 7), (3, 'life')",
        "SAVEPOINT one",
        "UPDATE t SET a = 'one' WHERE k < 5",
        "INSERT INTO w VALUES ('lost', 1, 1)",
        "SAVEPOINT two",
        "DELETE FROM t WHERE k = 7",
        "INSERT INTO pair VALUES ('p', 70, 7)",
        "ROLLBACK TO two",
        "INSERT INTO pair VALUES ('q', 71, 7)",
        "RELEASE two",
        "SAVEPOINT three",
        "INSERT INTO t(k, a) SELECT k + 200, a FROM t",
        "RELEASE three",
        "ROLLBACK TO one",
        "UPDATE t SET k = 8 WHERE k = 7",
        "RELEASE one",
        "DELETE FROM w WHERE k = 'key 5'",
        "UPDATE t SET b = 'end'",
    ]);
    vec![
        scenario("one row at a time", rows.into_iter().map(single).collect()),
        scenario("bulk writes", bulk),
        scenario("savepoints", vec![long]),
    ]
}

fn merges() -> Vec<Scenario> {
    let all = changes(&peer(""), 0);
    let one_by_one = together(all.iter().map(merge).collect());
    let literals: String = one(
        &peer(""),
        "SELECT group_concat(format('(%Q, %s, %Q, %s, %d, %d, %s, %d, %d)', \"table\", quote(pk), cid, quote(val), \
         col_version, db_version, quote(site_id), cl, seq)) FROM crsql_changes",
    );
    let statement = single(format!("INSERT INTO crsql_changes VALUES {literals}"));
    let changeset = |peer: &Connection| -> Vec<u8> { one(peer, "SELECT crsql_changeset(0)") };
    let apply = |bytes: Vec<u8>| alone(with("SELECT crsql_apply(?1)", bytes));
    let big = peer(&format!("{};", many("t", 100, 400)));
    let parts = rows(&big, "SELECT data FROM crsql_changesets(0, NULL, 3000)");
    assert!(parts.len() > 2, "{} parts", parts.len());
    let parts = parts.into_iter().map(|row| match &row[..] {
        [Value::Blob(data)] => apply(data.clone()),
        other => panic!("no changeset: {other:?}"),
    });
    let mut inside = vec![
        part("INSERT INTO t(k, a) VALUES (7, 'before')"),
        with("SELECT crsql_apply(?1)", changeset(&peer(""))),
    ];
    inside.push(part("UPDATE t SET a = 'after' WHERE k > 6"));
    vec![
        scenario("merge one by one", vec![one_by_one]),
        scenario("merge in one statement", vec![statement]),
        scenario("apply", vec![apply(changeset(&peer(""))), together(inside)]),
        scenario("apply parts", parts.collect()),
    ]
}

fn schema() -> Vec<Scenario> {
    let backfill = vec![
        single("CREATE TABLE n (k INTEGER PRIMARY KEY, a, b)"),
        together(changes(&peer(""), 0).iter().map(merge).collect()),
        single(format!(
            "INSERT INTO n VALUES {}",
            (1..60)
                .map(|k| format!("({k}, {k}, 'text')"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        single("SELECT crsql_as_crr('n')"),
        single("UPDATE n SET a = 'new' WHERE k < 5"),
    ];
    let sessions = vec![
        transaction(&[
            "SELECT crsql_begin_alter('t')",
            "ALTER TABLE t ADD COLUMN c DEFAULT 7",
            "ALTER TABLE t RENAME COLUMN a TO aa",
            "UPDATE t SET c = 1 WHERE k = 2",
            "SELECT crsql_commit_alter('t')",
        ]),
        transaction(&[
            "SELECT crsql_begin_alter('w')",
            "CREATE TABLE w2 (k TEXT PRIMARY KEY NOT NULL, b, c DEFAULT 'c')",
            "INSERT INTO w2(k, b) SELECT k, b FROM w",
            "DROP TABLE w",
            "ALTER TABLE w2 RENAME TO w",
        ]),
        Step {
            parts: [
                "SELECT crsql_begin_alter('pair')",
                "UPDATE pair SET v = 'session'",
                "ALTER TABLE pair ADD COLUMN less INT DEFAULT 1",
                "ALTER TABLE pair DROP COLUMN less",
                "SELECT crsql_commit_alter('pair')",
            ]
            .map(part)
            .to_vec(),
            has_begin: false,
        },
        single("ALTER TABLE pair ADD COLUMN more INT DEFAULT 1"),
        single("INSERT INTO pair VALUES ('z', 90, 1, 2)"),
        single("ALTER TABLE pair RENAME COLUMN v TO vv"),
        single("UPDATE pair SET vv = 'vv', more = 5 WHERE y < 3"),
        single("ALTER TABLE t ADD COLUMN late"),
        together(changes(&peer(""), 0).iter().map(merge).collect()),
    ];
    let text = format!(
        "SELECT crsql_automigrate('{}')",
        "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, a, b DEFAULT ''d'', c DEFAULT 9);
         CREATE TABLE IF NOT EXISTS w (k TEXT PRIMARY KEY NOT NULL, b);
         CREATE TABLE IF NOT EXISTS n (k INTEGER PRIMARY KEY, a, b);
         CREATE INDEX IF NOT EXISTS t_by_a ON t (a);
         SELECT crsql_as_crr(''t''); SELECT crsql_as_crr(''w''); SELECT crsql_as_crr(''n'');"
    );
    let back = vec![
        single("SELECT crsql_as_table('pair')"),
        single("SELECT crsql_as_crr('pair')"),
        single("SELECT crsql_config_set('merge-equal-values', 1)"),
        single("INSERT INTO pair VALUES ('z', 90, 1), ('zz', 91, 1)"),
        single("DROP TABLE w"),
        single("CREATE TABLE w (k TEXT PRIMARY KEY NOT NULL, a)"),
        single("SELECT crsql_as_crr('w')"),
        single("SELECT crsql_fract_as_ordered('w', 'a')"),
        single("INSERT INTO w VALUES ('p', 1), ('q', -1), ('r', 1)"),
        single("INSERT INTO w_fractindex (k, after_k) VALUES ('s', 'q')"),
    ];
    vec![
        scenario("as_crr", backfill),
        scenario("alter", sessions),
        scenario("automigrate", vec![single(text)]),
        scenario("as_table and ordered", back),
    ]
}

fn mending() -> Vec<Scenario> {
    let damage = "SELECT crsql_internal_sync_bit(1);
        INSERT INTO t(k, a) VALUES (30, 'unseen'), (31, 'unseen'); DELETE FROM t WHERE k = 5;
        INSERT INTO w VALUES ('unseen', 1, 1); DELETE FROM w WHERE k = 'key 2';
        SELECT crsql_internal_sync_bit(0); DROP TRIGGER crsql_3_insert; INSERT INTO pair VALUES ('unseen', 80, 1);";
    let mut adopt = scenario(
        "adopt",
        vec![
            transaction(&[
                "SELECT crsql_adopt('t')",
                "INSERT INTO t(k, a) VALUES (32, 'seen')",
                "SELECT crsql_adopt('w')",
            ]),
            single("SELECT crsql_adopt('pair')"),
        ],
    );
    adopt.prepare = Box::new(move |connection| {
        prepare(connection);
        exec(connection, damage);
    });
    let reset = vec![
        single("SELECT crsql_site_id_reset()"),
        single("UPDATE t SET a = 'mine'"),
        transaction(&[
            "INSERT INTO w VALUES ('first', 1, 1)",
            "SELECT crsql_site_id_reset()",
            "INSERT INTO w VALUES ('then', 1, 1)",
        ]),
    ];
    let digests = vec![
        single("SELECT crsql_digest()"),
        single(many("t", 100, 120)),
        single("SELECT crsql_digest()"),
        single("DELETE FROM t WHERE k BETWEEN 110 AND 170"),
        single("UPDATE w SET a = 1"),
        transaction(&[
            "SELECT crsql_digest()",
            "INSERT INTO w VALUES ('d', 1, 1)",
            "SELECT crsql_digest('w')",
        ]),
        single("SELECT crsql_digest()"),
    ];
    vec![
        adopt,
        scenario("site id reset", reset),
        scenario("digest", digests),
        scenario("reconcile", conversation()),
    ]
}

/// What this database hears from a peer in a conversation.
fn conversation() -> Vec<Step> {
    let here = open_memory();
    prepare(&here);
    exec(&here, &many("w", 0, 60));
    let there = peer(&format!("{}; {}", many("t", 300, 60), many("w", 30, 60)));
    let ask = "SELECT crsql_reconcile(?1, 4096)";
    let mut steps = vec![single(many("w", 0, 60))];
    let mut said: Option<Vec<u8>> = one(&there, "SELECT crsql_reconcile()");
    while let Some(message) = said {
        steps.push(alone(with(ask, message.clone())));
        let answer: Option<Vec<u8>> = here
            .query_row(ask, [message], |row| row.get(0))
            .expect("an answer");
        said = answer.and_then(|answer| {
            there
                .query_row(ask, [answer], |row| row.get(0))
                .expect("an answer")
        });
    }
    assert!(steps.len() > 3, "{} messages", steps.len());
    steps
}

fn upgrades() -> Vec<Scenario> {
    let fixtures = [
        (
            "upgrade from 0.16",
            "u16.sql",
            "UPDATE \"to do\" SET done = 3",
        ),
        ("upgrade from 0.15", "u15.sql", "DELETE FROM pair"),
        ("upgrade from 0.13", "u13.sql", "DELETE FROM t"),
        ("upgrade from 0.12", "u12.sql", "DELETE FROM t"),
        ("upgrade from the fork", "f17.sql", "DELETE FROM t"),
    ];
    fixtures
        .into_iter()
        .map(|(name, file, after)| Scenario {
            name,
            prepare: Box::new(move |connection| {
                let path = format!(
                    "{}/tests/fixtures/upgrade/{file}",
                    env!("CARGO_MANIFEST_DIR")
                );
                exec(
                    connection,
                    &std::fs::read_to_string(path).expect("read the fixture"),
                );
            }),
            steps: vec![single("SELECT crsql_upgrade()")],
            is_rebuilt: false,
            after: vec![single(after)],
        })
        .collect()
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    super::allocator::install();
    let mut all = capture();
    all.extend(merges());
    all.extend(schema());
    all.extend(mending());
    all.extend(upgrades());
    all
}
