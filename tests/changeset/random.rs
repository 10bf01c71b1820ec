//! The same random history twice: exchanged as changesets, and through `crsql_changes`. The replicas end equal.

use super::dice::Dice;
use super::slices::apply_within;
use super::support;
use super::{apply, changeset, rows, run, stream};
use rusqlite::Connection;

const REPLICAS: usize = 3;

const SCHEMA: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b TEXT NOT NULL DEFAULT 'b', c REAL);
    CREATE TABLE u(k TEXT NOT NULL, n NOT NULL, v, w, PRIMARY KEY (k, n)) WITHOUT ROWID;
    CREATE TABLE s(k TEXT PRIMARY KEY NOT NULL, a INTEGER, b);
    CREATE TABLE p(id INTEGER PRIMARY KEY NOT NULL);
    SELECT crsql_as_crr('t'), crsql_as_crr('u'), crsql_as_crr('s'), crsql_as_crr('p');";

impl Dice {
    fn value(&mut self) -> String {
        let values = [
            "NULL",
            "1",
            "-7",
            "2.5",
            "'1'",
            "'text'",
            "x'00ff'",
            "1e300",
            "9007199254740993",
            "0.0",
        ];
        values[self.roll(values.len() as u64) as usize].to_owned()
    }

    fn write(&mut self) -> String {
        let (id, a, b) = (self.roll(6), self.value(), self.value());
        match self.roll(14) {
            0 | 1 => format!("INSERT OR IGNORE INTO t VALUES ({id}, {a}, 'x{id}', 1.5)"),
            2 => format!("INSERT OR REPLACE INTO t(id, a) VALUES ({id}, {a})"),
            3 => format!("UPDATE t SET a = {a}, c = {b} WHERE id = {id}"),
            4 => format!("UPDATE t SET b = 'y{}' WHERE id <= {id}", self.roll(9)),
            5 => format!("DELETE FROM t WHERE id = {id}"),
            6 => format!(
                "UPDATE OR REPLACE t SET id = {} WHERE id = {id}",
                self.roll(6)
            ),
            7 => format!(
                "INSERT OR REPLACE INTO u VALUES ('k{id}', {}, {a}, {b})",
                self.roll(2)
            ),
            8 => format!("UPDATE u SET v = {a} WHERE k = 'k{id}'"),
            9 => format!("DELETE FROM u WHERE k = 'k{id}'"),
            10 => format!("INSERT OR REPLACE INTO s VALUES ('s{id}', {a}, {b})"),
            11 => format!("DELETE FROM s WHERE k >= 's{id}'"),
            12 => format!("INSERT OR IGNORE INTO p VALUES ({id})"),
            _ => format!("DELETE FROM p WHERE id = {id}"),
        }
    }
}

/// How changes are carried.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Carrier {
    Changes,
    Changeset,
    Stream(i64),
    /// A changeset, applied with a limit of so many ms
    Slices(i64),
}

struct World {
    replicas: Vec<Connection>,
    sites: Vec<Vec<u8>>,
    /// How far each has got with each
    cursors: Vec<Vec<(i64, Option<i64>)>>,
}

impl World {
    fn new() -> World {
        let replicas: Vec<Connection> = (0..REPLICAS).map(|_| super::replica_of(SCHEMA)).collect();
        let site = |replica: &Connection| {
            let site = replica.query_row("SELECT crsql_site_id()", [], |row| row.get(0));
            site.expect("a site id")
        };
        World {
            sites: replicas.iter().map(site).collect(),
            replicas,
            cursors: vec![vec![(0, None); REPLICAS]; REPLICAS],
        }
    }

    fn pull(&mut self, from: usize, to: usize, carrier: Carrier) {
        let (sender, receiver) = (&self.replicas[from], &self.replicas[to]);
        let cursor = self.cursors[to][from];
        let version = super::number(sender, "SELECT crsql_db_version()");
        match carrier {
            Carrier::Changes => support::merge(receiver, &support::changes(sender, cursor.0)),
            Carrier::Changeset => {
                _ = apply(receiver, &changeset(sender, cursor.0)).expect("applied")
            }
            Carrier::Slices(max_ms) => {
                _ = apply_within(receiver, &changeset(sender, cursor.0), max_ms).expect("applied")
            }
            Carrier::Stream(max_bytes) => {
                for blob in stream(sender, cursor, max_bytes) {
                    apply(receiver, &blob.data).expect("applied");
                }
            }
        }
        self.cursors[to][from] = (version, None);
    }

    /// All that can be seen of a replica, with the numbers of replicas for their site ids.
    fn state(&self, replica: usize) -> Vec<String> {
        let connection = &self.replicas[replica];
        let mut all = rows(connection, "SELECT * FROM t ORDER BY id");
        all.extend(rows(connection, "SELECT * FROM u ORDER BY k, n"));
        all.extend(rows(connection, "SELECT * FROM s ORDER BY k"));
        all.extend(rows(connection, "SELECT * FROM p ORDER BY id"));
        for change in support::changes(connection, 0) {
            let site = self.sites.iter().position(|site| *site == change.site_id);
            all.push(format!(
                "{site:?} {:?}",
                support::Change {
                    site_id: Vec::new(),
                    ..change
                }
            ));
        }
        all
    }
}

/// Runs a history with this seed; gives what each replica looks like in the end.
fn history(seed: u64, carrier: impl Fn(u64) -> Carrier) -> Vec<Vec<String>> {
    let mut dice = Dice(seed);
    let mut world = World::new();
    for step in 0..60 {
        let replica = dice.roll(REPLICAS as u64) as usize;
        if dice.roll(3) > 0 {
            let writes: Vec<String> = (0..=dice.roll(4)).map(|_| dice.write()).collect();
            // Together or each for itself.
            let (begin, commit) = if dice.roll(2) == 0 {
                ("BEGIN;", "COMMIT")
            } else {
                ("", "")
            };
            run(
                &world.replicas[replica],
                &format!("{begin}{};{commit}", writes.join(";")),
            );
        } else {
            let other = (replica + 1 + dice.roll(REPLICAS as u64 - 1) as usize) % REPLICAS;
            world.pull(other, replica, carrier(step));
        }
    }
    for _ in 0..2 {
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 0), (2, 1)] {
            world.pull(from, to, carrier(7));
        }
    }
    (0..REPLICAS).map(|replica| world.state(replica)).collect()
}

fn histories() -> u64 {
    let asked = std::env::var("CRSQL_SCHEDULES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(200)
}

#[test]
fn changesets_do_what_changes_do() {
    for seed in 0..histories() {
        let expected = history(seed, |_| Carrier::Changes);
        let found = history(seed, |_| Carrier::Changeset);
        assert_eq!(found, expected, "history {seed}");
    }
}

/// The rows alone: positions may differ where several transactions apply what one would.
fn data(states: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let is_row = |line: &String| !line.contains("Change {");
    states
        .into_iter()
        .map(|state| state.into_iter().filter(is_row).collect())
        .collect()
}

#[test]
fn slices_end_where_changes_do() {
    for seed in 0..histories() / 4 {
        let expected = history(seed, |_| Carrier::Changes);
        let found = history(seed, |_| Carrier::Slices(3_600_000));
        assert_eq!(found, expected, "history {seed}");
        let found = history(seed, |_| Carrier::Slices(1));
        assert_eq!(data(found), data(expected), "history {seed}");
    }
}

#[test]
fn streams_end_where_changes_do() {
    for seed in 0..histories() {
        let expected = history(seed, |_| Carrier::Changes);
        for max_bytes in [1, 300, 1_000_000] {
            let found = history(seed, |step| match step % 3 {
                0 => Carrier::Changes,
                _ => Carrier::Stream(max_bytes),
            });
            assert_eq!(
                data(found),
                data(expected.clone()),
                "history {seed}, {max_bytes} bytes"
            );
        }
    }
}
