//! The records of the commonest kinds: of a row as it was inserted, but for local writes that all set the same
//! columns. They are made without a clock in between.

use super::change::{ColumnId, ColumnVersion, DbVersion, Position, Seq, SiteOrdinal};
use super::clock::{Base, CellClock, Entry, Group, encode_into};

/// How the records begin: format 1, pristine, no sentinel, one group.
const BEGINNING: [u8; 4] = [1, 1, 0, 1];

/// Makes records, all in the same memory.
#[derive(Debug)]
pub struct LocalUpdate {
    group: Group,
    bytes: Vec<u8>,
}

/// A record, and what the log is to know of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated<'a> {
    /// The bytes of the record
    pub bytes: &'a [u8],
    /// Its log entry
    pub entry: Entry,
    /// The seqs that the entry reserves
    pub seqs: u64,
}

impl Default for LocalUpdate {
    fn default() -> LocalUpdate {
        let entry = Entry {
            at: Position {
                version: DbVersion(0),
                seq: Seq(0),
            },
            site: SiteOrdinal::LOCAL,
            is_logged: false,
            is_open: false,
        };
        LocalUpdate {
            group: Group {
                entry,
                cells: Vec::new(),
            },
            bytes: Vec::new(),
        }
    }
}

impl LocalUpdate {
    /// The record of a row without one after a write that set `columns`, whose seqs count up from `at`.
    pub fn first(&mut self, at: Position, columns: impl Iterator<Item = ColumnId>) -> Updated<'_> {
        let cells = columns.zip(0..).map(|(column, offset)| CellClock {
            column,
            version: ColumnVersion::FIRST.next(),
            offset,
        });
        self.group.cells.clear();
        self.group.cells.extend(cells);
        self.updated(at)
    }

    /// The same of a row whose record has these bytes, with the log entry that says nothing any more. None if the
    /// record is of another kind or the write set other columns.
    pub fn again(
        &mut self,
        stored: &[u8],
        at: Position,
        columns: impl Iterator<Item = ColumnId>,
    ) -> Option<(Updated<'_>, Position)> {
        let mut numbers = Numbers(stored.strip_prefix(&BEGINNING)?);
        let superseded = Position {
            version: DbVersion(numbers.next()?),
            seq: Seq(numbers.next()?),
        };
        let (_site, count) = (numbers.next()?, numbers.next()?);
        self.group.cells.clear();
        for (column, offset) in columns.zip(0..) {
            let (of, version) = (numbers.next()?, ColumnVersion(numbers.next()?).next());
            numbers.next()?;
            if of != u64::from(column.0) || version.is_used_up() {
                return None;
            }
            self.group.cells.push(CellClock {
                column,
                version,
                offset,
            });
        }
        let is_same = count > 0 && count == self.group.cells.len() as u64 && numbers.0.is_empty();
        is_same.then(|| (self.updated(at), superseded))
    }

    fn updated(&mut self, at: Position) -> Updated<'_> {
        self.group.entry.at = at;
        let groups = std::slice::from_ref(&self.group);
        encode_into(&mut self.bytes, Base::Pristine, None, groups);
        Updated {
            bytes: &self.bytes,
            entry: self.group.entry,
            seqs: self.group.cells.len() as u64,
        }
    }
}

/// Numbers as they stand in a record, one behind the other.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    #[inline]
    fn next(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        let length = match first {
            0..=250 => {
                self.0 = rest;
                return Some(u64::from(first));
            }
            251 => 2,
            252 => 4,
            253 => 8,
            _ => return None,
        };
        let (number, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(number);
        Some(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{COUNTER_MAX, CausalLength};
    use super::super::clock::RowClock;
    use super::super::clock::tests::at;
    use super::*;

    /// Sets columns in the way of any write.
    fn write(clock: &mut RowClock, at: Position, columns: &[u32]) {
        for (offset, column) in (0..).zip(columns) {
            let column = ColumnId(*column);
            let version = clock.column_version(column).unwrap_or_default().next();
            let at = Position {
                seq: at.seq.plus(offset),
                ..at
            };
            clock.set_cell(at, SiteOrdinal::LOCAL, column, version);
        }
        clock.close();
    }

    fn ids(columns: &[u32]) -> impl Iterator<Item = ColumnId> {
        columns.iter().map(|column| ColumnId(*column))
    }

    const SETS: [&[u32]; 7] = [
        &[0],
        &[1],
        &[0, 1],
        &[2, 40],
        &[1, 2, 3],
        &[250, 300],
        &[70_000],
    ];

    const PLACES: [(u64, u64); 5] = [
        (7, 300),
        (250, 251),
        (65_535, 65_536),
        (1 << 32, 0),
        (1 << 52, (1 << 32) - 1),
    ];

    #[test]
    fn a_first_update_has_the_bytes_of_its_clock() {
        let mut update = LocalUpdate::default();
        for columns in SETS {
            for (version, seq) in PLACES {
                let mut clock = RowClock::pristine();
                write(&mut clock, at(version, seq), columns);
                let updated = update.first(at(version, seq), ids(columns));
                assert_eq!(updated.bytes, clock.encode());
                let unlogged: Vec<_> = clock.unlogged().collect();
                assert_eq!(unlogged, [(updated.entry, updated.seqs)]);
            }
        }
    }

    /// All kinds of records: what `again` takes on comes out as from their clocks, and it takes on those of its kind.
    #[test]
    fn an_update_of_the_same_columns_has_the_bytes_of_its_clock() {
        let mut stored = Vec::new();
        for columns in SETS {
            for (version, seq) in PLACES {
                let mut clock = RowClock::pristine();
                write(&mut clock, at(version, seq), columns);
                stored.push((clock.clone(), Some(columns)));
                let mut merged = clock.clone();
                merged.groups[0].entry.site = SiteOrdinal(9);
                stored.push((merged, Some(columns)));
                for versions in [[249, 251], [65_534, 1 << 32], [1 << 52, 2]] {
                    let mut often = clock.clone();
                    let cells = &mut often.groups[0].cells;
                    for (cell, version) in cells.iter_mut().zip(versions) {
                        cell.version = ColumnVersion(version);
                    }
                    stored.push((often, Some(columns)));
                }
                let mut sentinel = clock.clone();
                sentinel.set_sentinel(CausalLength(3), at(1, 0), SiteOrdinal::LOCAL);
                let mut unset = clock.clone();
                unset.base = Base::Unset;
                let mut to = clock.clone();
                to.base = Base::PristineTo(3);
                let mut twice = clock.clone();
                write(&mut twice, at(version + 1, 0), &[400]);
                let mut used_up = clock.clone();
                used_up.groups[0].cells[0].version = ColumnVersion(COUNTER_MAX as u64);
                let mut empty = clock;
                empty.groups[0].cells.clear();
                stored.extend([sentinel, unset, to, twice, used_up, empty].map(|c| (c, None)));
            }
        }
        let mut update = LocalUpdate::default();
        let mut taken_on = 0;
        for (clock, kind) in stored {
            let bytes = clock.encode();
            let place = at(1 << 53, 17);
            for columns in SETS {
                let mut slow = RowClock::decode(clock.cl, &bytes).expect("a record");
                write(&mut slow, place, columns);
                let again = update.again(&bytes, place, ids(columns));
                assert_eq!(
                    again.is_some(),
                    kind == Some(columns),
                    "{clock:?} {columns:?}"
                );
                let Some((updated, superseded)) = again else {
                    continue;
                };
                taken_on += 1;
                assert_eq!(updated.bytes, slow.encode(), "{clock:?} {columns:?}");
                assert_eq!([superseded], slow.superseded[..]);
                let unlogged: Vec<_> = slow.unlogged().collect();
                assert_eq!(unlogged, [(updated.entry, updated.seqs)]);
            }
        }
        assert_eq!(taken_on, SETS.len() * PLACES.len() * 5);
    }

    #[test]
    fn bytes_that_are_no_record_are_left_to_whoever_reports_them() {
        let mut update = LocalUpdate::default();
        let whole = update.first(at(2, 70_000), ids(&[1])).bytes.to_vec();
        let again = |update: &mut LocalUpdate, bytes: &[u8]| {
            update.again(bytes, at(3, 0), ids(&[1])).is_some()
        };
        assert!(again(&mut update, &whole));
        for length in 0..whole.len() {
            assert!(!again(&mut update, &whole[..length]), "{length}");
        }
        assert!(!again(&mut update, &[&whole[..], &[0]].concat()));
        let mut number = whole;
        number[5] = 254;
        assert!(!again(&mut update, &number));
    }
}
