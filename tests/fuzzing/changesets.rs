//! Changesets: any bytes, and made-up ones that get past the checksum. They are read alike everywhere, applied whole or
//! not at all, and what they did can be sent on.

use crsql::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crsql::crdt::changeset::{CellWrite, Defect, Origin, Part, Reader, RowHead, Writer};
use crsql::crdt::value::{Value, ValueRef};
use rusqlite::{Connection, Result};

use super::replica::{
    self, assert_captures, assert_clean, assert_sound, assert_state, digest, state,
};
use super::values;
use crate::schedule::random::Random;
use crate::sealed;

/// Where the part begins that the checksum is over.
const PREFIX_BYTES: usize = 17;

pub fn run(data: &[u8]) {
    let (&[form, ref rest @ ..], mut prefix) = (data, b"CRSQ\x01".to_vec()) else {
        return;
    };
    match form % 8 {
        0 => give(rest),
        1 => {
            prefix.resize(PREFIX_BYTES, 0);
            give(&sealed::changeset(&[&prefix, rest].concat()));
        }
        _ => {
            let mut random = Random::from_bytes(rest);
            let mut made = made_up(&mut random);
            if random.percent(60) {
                values::damage(&mut random, &mut made, PREFIX_BYTES);
                made.resize(made.len().max(PREFIX_BYTES), 0);
                made = sealed::changeset(&made);
            }
            give(&made);
        }
    }
}

/// A counter: most often small, sometimes at the limit of what is accepted.
fn counter(random: &mut Random, least: u64) -> u64 {
    match random.below(20) {
        0 => values::integer(random) as u64,
        1 => 1 << 53,
        2 => 1 << 52,
        _ => least + random.below(6) as u64,
    }
}

fn made_up(random: &mut Random) -> Vec<u8> {
    let mut writer = Writer::new(Origin {
        site: vec![7; 16],
        after: (DbVersion(counter(random, 0)), None),
        level: *random.pick(&[0, 0, 0, 3]),
    });
    let sites = [&[7; 16][..], &[8; 16], &[9], &[1; 17]];
    for _ in 0..random.between(1, 12) {
        let (name, keys, all) = replica::table(random);
        let keys = if random.percent(4) {
            random.below(4)
        } else {
            keys
        };
        let table = writer.add_table(name, keys);
        let columns: Vec<u32> = all
            .iter()
            .filter(|_| random.percent(60))
            .map(|name| writer.add_column(table, name))
            .collect();
        let key: Vec<Value> = (0..keys).map(|_| values::value(random)).collect();
        let cells: Vec<(u64, Value)> = columns
            .iter()
            .map(|_| (counter(random, 0), values::value(random)))
            .collect();
        // The last one is too long.
        let sites = if random.percent(5) {
            &sites[..]
        } else {
            &sites[..3]
        };
        let site = *random.pick(sites);
        let head = RowHead {
            site: writer.site(site),
            version: DbVersion(counter(random, 1)),
            seq: Seq(counter(random, 0)),
            cl: CausalLength(counter(random, 1)),
        };
        let written = cells
            .iter()
            .zip(0..)
            .map(|((version, value), offset)| CellWrite {
                version: ColumnVersion(*version),
                offset,
                value: value.as_ref(),
            });
        writer.push(
            (table, &columns),
            head,
            key.iter().map(Value::as_ref),
            written,
        );
        if random.percent(30) {
            writer.mark();
        }
    }
    let last = Position {
        version: DbVersion(counter(random, 1)),
        seq: Seq(counter(random, 0)),
    };
    let part = *random.pick(&[
        Part::Whole,
        Part::Whole,
        Part::Whole,
        Part::More,
        Part::Last,
    ]);
    writer.finish(last, part)
}

/// Reads it to its end, and tells how many changes there are.
fn read(bytes: &[u8]) -> std::result::Result<(i64, Part), Defect> {
    let mut reader = Reader::open(bytes)?;
    let part = reader.header().part;
    let (mut changes, mut buffer) = (0, Vec::new());
    while let Some(mut chunk) = reader.next_chunk(&mut buffer)? {
        while let Some(row) = chunk.next_row()? {
            changes += row.cells.len().max(1) as i64;
            let texts = row
                .key
                .iter()
                .chain(row.cells.iter().map(|cell| &cell.value));
            assert!(
                !texts
                    .clone()
                    .any(|value| matches!(value, ValueRef::Real(real) if real.is_nan()))
            );
        }
    }
    Ok((changes, part))
}

fn apply(connection: &Connection, changeset: &[u8]) -> Result<i64> {
    connection.query_row("SELECT crsql_apply(?1)", [changeset], |row| row.get(0))
}

/// Gives it to a database in every way.
fn give(changeset: &[u8]) {
    let read = read(changeset);
    let connection = replica::filled();
    let before = state(&connection);
    let query = |sql: &str| connection.query_row(sql, [changeset], |row| row.get::<_, i64>(0));
    if let Err(error) = query("SELECT length(crsql_changeset_info(?1))") {
        assert_clean(&error);
    }
    let listed = query("SELECT count(*) FROM crsql_changeset_rows(?1)");
    match (&read, &listed) {
        (Ok((changes, _)), Ok(listed)) => assert_eq!(changes, listed),
        (Err(_), Err(error)) => assert_clean(error),
        _ => panic!("{read:?}, but in SQL {listed:?}"),
    }
    match apply(&connection, changeset) {
        Err(error) => {
            assert_clean(&error);
            assert_state(&connection, &before, &error.to_string());
            assert_captures(&connection);
        }
        Ok(_) => {
            let (_, part) = read.expect("what is applied can be read");
            assert_sound(&connection);
            let after = state(&connection);
            apply(&connection, changeset).expect("what was applied once");
            assert_state(&connection, &after, "applied again");
            assert_captures(&connection);
            if part == Part::Whole {
                same_as_rows(&connection, changeset);
            }
            passes_on(&connection);
        }
    }
}

/// Local writes to whatever rows there are now.
const WRITES: [&str; 7] = [
    "UPDATE num SET a = 'local', b = b",
    "UPDATE word SET zeta = 'local' WHERE k > 'a'",
    "UPDATE pair SET b = b + 1",
    "DELETE FROM strict WHERE i > 1",
    "INSERT OR REPLACE INTO picky VALUES (1, 5, 5), (3, 6, 6)",
    "INSERT OR REPLACE INTO tag VALUES (x'61')",
    "INSERT OR IGNORE INTO num VALUES (2, 'again', 'local')",
];

/// Another replica that gets all there is becomes equal, also after local writes.
pub(super) fn passes_on(connection: &Connection) {
    gives_all(connection);
    for write in WRITES {
        if let Err(error) = connection.execute_batch(write) {
            assert_clean(&error);
        }
    }
    assert_sound(connection);
    gives_all(connection);
}

fn gives_all(connection: &Connection) {
    let all: Vec<u8> = connection
        .query_row("SELECT crsql_changeset(0)", [], |row| row.get(0))
        .expect("a changeset of everything");
    let other = replica::empty();
    apply(&other, &all).expect("what another replica holds");
    assert_eq!(digest(&other), digest(connection), "passed on");
    assert_sound(&other);
}

/// The changes one by one end the same, where none is refused.
fn same_as_rows(connection: &Connection, changeset: &[u8]) {
    let by_rows = replica::filled();
    let merged = by_rows.execute(
        "INSERT INTO crsql_changes SELECT * FROM crsql_changeset_rows(?1)",
        [changeset],
    );
    match merged {
        Ok(_) => assert_eq!(digest(&by_rows), digest(connection), "merged as rows"),
        Err(error) => assert_clean(&error),
    }
}
