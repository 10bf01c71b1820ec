//! Clock records: any bytes as a record, writes to a record against a plain list of cells, and databases whose records
//! were damaged.

use std::collections::BTreeMap;

use crsql::crdt::change::{
    CausalLength, ColumnId, ColumnVersion, DbVersion, Position, Seq, SiteOrdinal,
};
use crsql::crdt::clock::{EntryMeaning, RowClock, cell_seq};
use rusqlite::{Connection, params};

use super::replica::{self, assert_captures, assert_clean};
use super::values;
use crate::schedule::random::Random;

const COLUMNS: u32 = 6;

pub fn run(data: &[u8]) {
    decode(data);
    let mut random = Random::from_bytes(data);
    let clock = against_a_list(&mut random);
    let mut bytes = clock.encode();
    values::damage(&mut random, &mut bytes, 0);
    decode(&bytes);
    // Opening databases takes longer than all of the above.
    if random.below(8) == 0 {
        in_a_database(&mut random, clock.cl, &clock.encode());
        in_a_database(&mut random, clock.cl, &bytes);
        in_a_database(&mut random, CausalLength(1), data);
    }
}

/// Reads a record of any bytes: it is none, or it survives being written.
fn decode(bytes: &[u8]) {
    let Some(clock) = RowClock::decode(CausalLength(1), bytes) else {
        return;
    };
    let encoded = clock.encode();
    assert!(encoded.len() <= bytes.len(), "{clock:?} grows");
    assert_eq!(RowClock::decode(CausalLength(1), &encoded), Some(clock));
}

/// What is known of a row: its cells, each with its version, place and author.
#[derive(Default)]
struct Known {
    cells: BTreeMap<u32, (u64, Position, SiteOrdinal)>,
    sentinel: Option<Position>,
}

/// Writes to a record, and to a list of its cells; the two must agree after each, and after being stored.
fn against_a_list(random: &mut Random) -> RowClock {
    let (mut clock, mut known) = (RowClock::unknown(), Known::default());
    clock.cl = CausalLength::FIRST_LIFE;
    let mut version = 1;
    for _ in 0..random.between(1, 12) {
        version += random.below(3) as u64 * random.pick(&[1, 300, 1 << 40]);
        write(random, version, &mut clock, &mut known);
        version += 1;
        if random.percent(40) {
            let superseded = clock.superseded.clone();
            for at in superseded {
                assert!(known.cells.values().all(|(_, cell, _)| *cell != at));
            }
            let inherited = clock.inherited.clone();
            clock = RowClock::decode(clock.cl, &clock.encode()).expect("what was encoded");
            clock.inherited = inherited;
        }
        agree(&clock, &known);
    }
    clock
}

fn write(random: &mut Random, version: u64, clock: &mut RowClock, known: &mut Known) {
    let at = |seq: u64| Position {
        version: DbVersion(version),
        seq: Seq(seq),
    };
    let site = SiteOrdinal(random.below(3) as u64);
    let first = random.below(300) as u64;
    match random.below(6) {
        0 => {
            let cl = match random.percent(50) {
                true => clock.cl.next_delete(),
                false => clock.cl.next_create(),
            };
            clock.start_over(cl, at(first), site);
            known.cells.clear();
            known.sentinel = Some(at(first));
        }
        1 => {
            let cl = clock.cl.next_delete().next_create();
            clock.revive(cl, at(first), site, (0..COLUMNS).map(ColumnId));
            for cell in known.cells.values_mut() {
                *cell = (0, Position::default(), SiteOrdinal::LOCAL);
            }
            known.sentinel = Some(at(first));
        }
        2 => {
            clock.set_sentinel(clock.cl, at(first), site);
            known.sentinel = Some(at(first));
        }
        _ => {
            let mut columns: Vec<u32> = (0..COLUMNS).filter(|_| random.percent(40)).collect();
            random.shuffle(&mut columns);
            let cells = columns.iter().zip(first..).map(|(column, seq)| {
                let version = 1 + random.below(400) as u64;
                (*column, (version, at(seq), site))
            });
            let cells: Vec<_> = cells.collect();
            if random.percent(50) {
                let cells = cells.iter();
                let cells = cells.map(|(column, cell)| (ColumnId(*column), ColumnVersion(cell.0)));
                clock.set_cells(at(first), site, cells);
            } else {
                for (column, cell) in &cells {
                    clock.set_cell(cell.1, site, ColumnId(*column), ColumnVersion(cell.0));
                }
            }
            known.cells.extend(cells);
            clock.close();
        }
    }
}

fn agree(clock: &RowClock, known: &Known) {
    for column in (0..COLUMNS).map(ColumnId) {
        let cell = known.cells.get(&column.0);
        let version = cell.map(|(version, ..)| ColumnVersion(*version));
        assert_eq!(
            clock.column_version(column),
            version,
            "{column:?} of {clock:?}"
        );
        let Some((1.., at, site)) = cell else {
            // Not written, or inherited and without a place.
            continue;
        };
        assert_eq!(
            clock.column_site(column),
            Some(*site),
            "{column:?} of {clock:?}"
        );
        let group = clock
            .groups
            .iter()
            .find(|group| group.cells.iter().any(|cell| cell.column == column));
        let group = group.expect("a group");
        let cell = group.cells.iter().find(|cell| cell.column == column);
        assert_eq!(group.entry.at.version, at.version);
        assert_eq!(cell_seq(group, cell.expect("a cell")), at.seq);
        assert_eq!(clock.entry_at(group.entry.at), EntryMeaning::Cells(group));
    }
    assert_eq!(clock.sentinel.map(|entry| entry.at), known.sentinel);
    assert!(clock.groups.iter().all(|group| !group.cells.is_empty()));
}

/// A database with this record: whatever is done with it ends well or with a text, other rows are not harmed, and
/// `crsql_adopt` mends it.
fn in_a_database(random: &mut Random, cl: CausalLength, record: &[u8]) {
    let connection = replica::filled();
    let key = random.below(4) as i64;
    let changed = connection.execute(
        "INSERT OR REPLACE INTO crsql_rows_1(key, cl, clock) VALUES (?1, ?2, ?3)",
        params![key, cl.0 as i64, record],
    );
    changed.expect("damage a record");
    let statements = [
        "SELECT count(*), max(val) FROM crsql_changes",
        "UPDATE num SET a = 'new'",
        "DELETE FROM num WHERE id = 1",
        "INSERT OR REPLACE INTO num VALUES (2, 'two', 't')",
        "INSERT INTO crsql_changes VALUES ('num', x'010901', 'a', 'there', 7, 9, x'07', 3, 0)",
        "SELECT crsql_changeset(0)",
        "SELECT crsql_digest()",
        "SELECT * FROM crsql_check",
        "SELECT * FROM crsql_status",
        "SELECT crsql_site_id_reset()",
    ];
    for _ in 0..random.between(1, 5) {
        give(&connection, statements[random.below(statements.len())]);
    }
    if give(&connection, "SELECT crsql_adopt('num')") {
        // Nothing can tell who a number without a site id was; the changes can't be read then.
        replica::assert_sound_but_for(&connection, "unknown site");
        if give(&connection, "SELECT * FROM crsql_changes") {
            assert_captures(&connection);
        }
    }
}

fn give(connection: &Connection, sql: &str) -> bool {
    let outcome = connection.prepare(sql).and_then(|mut statement| {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    });
    outcome.inspect_err(assert_clean).is_ok()
}
