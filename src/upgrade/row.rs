//! What the clocks of one row in the old layout become. Pure.

use crate::crdt::change::{CausalLength, ColumnId, ColumnVersion, Position, Seq, SiteOrdinal};
use crate::crdt::clock::{CellClock, Entry, Group, RowClock};

/// An event of the old layout: where it stands and who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its place
    pub at: Position,
    /// Its author
    pub site: SiteOrdinal,
}

/// The clocks of one row.
#[derive(Debug, Default)]
pub struct OldRow {
    /// Whether the row is in the table
    pub exists: bool,
    /// The last creation or deletion
    pub sentinel: Option<(CausalLength, Event)>,
    /// The cells
    pub cells: Vec<(ColumnId, ColumnVersion, Event)>,
    /// A clock of a column that is gone
    pub lost: Option<Event>,
}

/// What is recorded of a row.
#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing: the row is gone, and nothing says that it was deleted
    Nothing,
    /// One log entry
    Pristine(Event),
    /// A clock record
    Record(RowClock),
}

impl OldRow {
    /// How often the row was created or deleted.
    pub fn causal_length(&self) -> CausalLength {
        self.sentinel.map_or(CausalLength::FIRST_LIFE, |(cl, _)| cl)
    }

    /// What becomes of the row in a table with these columns, in ascending order.
    pub fn recorded(mut self, columns: impl ExactSizeIterator<Item = ColumnId>) -> Recorded {
        let cl = self.causal_length();
        if !cl.is_live() {
            self.cells.clear();
        } else if !self.exists {
            return Recorded::Nothing;
        } else if self.cells.is_empty() && self.sentinel.is_none() {
            match self.lost {
                Some(event) => self.sentinel = Some((cl, event)),
                None => return Recorded::Nothing,
            }
        }
        match self.pristine(columns) {
            Some(event) => Recorded::Pristine(event),
            None => Recorded::Record(self.record(cl)),
        }
    }

    /// Where and by whom the row was inserted, if nothing happened to it since.
    fn pristine(&mut self, columns: impl ExactSizeIterator<Item = ColumnId>) -> Option<Event> {
        if self.causal_length() != CausalLength::FIRST_LIFE || self.cells.len() != columns.len() {
            return None;
        }
        self.cells.sort_unstable_by_key(|(column, ..)| *column);
        let Some(&(first_column, _, first)) = self.cells.first() else {
            return self.sentinel.map(|(_, event)| event);
        };
        let start = first.at.seq.0.checked_sub(u64::from(first_column.0))?;
        let is_inserted = |((column, version, event), expected): (
            &(ColumnId, ColumnVersion, Event),
            ColumnId,
        )| {
            *column == expected
                && *version == ColumnVersion::FIRST
                && event.site == first.site
                && event.at.version == first.at.version
                && event.at.seq.0 == start + u64::from(column.0)
        };
        let is_pristine =
            self.sentinel.is_none() && self.cells.iter().zip(columns).all(is_inserted);
        is_pristine.then_some(Event {
            at: Position {
                seq: Seq(start),
                ..first.at
            },
            ..first
        })
    }

    /// The record, with a group for each run of cells.
    fn record(mut self, cl: CausalLength) -> RowClock {
        let mut clock = RowClock::unknown();
        clock.cl = cl;
        clock.sentinel = self.sentinel.map(|(_, event)| entry(event));
        self.cells
            .sort_unstable_by_key(|(column, _, event)| (event.at, *column));
        for (column, version, event) in self.cells {
            let open = clock.groups.last_mut().filter(|group| {
                group.entry.site == event.site
                    && group.entry.at.version == event.at.version
                    && group.entry.at.seq.plus(group.cells.len() as u64) == event.at.seq
            });
            let cell = |offset| CellClock {
                column,
                version,
                offset,
            };
            match open {
                Some(group) => group.cells.push(cell(group.cells.len() as u64)),
                None => clock.groups.push(Group {
                    entry: entry(event),
                    cells: vec![cell(0)],
                }),
            }
        }
        clock
    }
}

fn entry(event: Event) -> Entry {
    Entry {
        at: event.at,
        site: event.site,
        is_logged: true,
        is_open: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::change::DbVersion;

    fn event(version: u64, seq: u64, site: u64) -> Event {
        Event {
            at: Position {
                version: DbVersion(version),
                seq: Seq(seq),
            },
            site: SiteOrdinal(site),
        }
    }

    fn live(cells: &[(u32, u64, Event)]) -> OldRow {
        OldRow {
            exists: true,
            cells: cells
                .iter()
                .map(|(column, version, event)| {
                    (ColumnId(*column), ColumnVersion(*version), *event)
                })
                .collect(),
            ..OldRow::default()
        }
    }

    fn columns(count: u32) -> impl ExactSizeIterator<Item = ColumnId> {
        (0..count).map(ColumnId).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn a_row_as_it_was_inserted_is_pristine() {
        let row = live(&[(1, 1, event(4, 8, 2)), (0, 1, event(4, 7, 2))]);
        assert_eq!(row.recorded(columns(2)), Recorded::Pristine(event(4, 7, 2)));
    }

    #[test]
    fn anything_else_than_one_insert_needs_a_record() {
        let first = (0, 1, event(4, 7, 2));
        for second in [
            (1, 2, event(4, 8, 2)),
            (1, 1, event(4, 9, 2)),
            (1, 1, event(5, 8, 2)),
            (1, 1, event(4, 8, 3)),
            (1, 1, event(4, 6, 2)),
            (1, 1, event(4, 7, 2)),
        ] {
            let Recorded::Record(clock) = live(&[first, second]).recorded(columns(2)) else {
                panic!("{second:?}");
            };
            let cells: usize = clock.groups.iter().map(|group| group.cells.len()).sum();
            assert_eq!(cells, 2, "{second:?}");
        }
        assert!(matches!(
            live(&[first]).recorded(columns(2)),
            Recorded::Record(_)
        ));
    }

    #[test]
    fn cells_that_follow_each_other_share_a_group() {
        let row = live(&[
            (0, 3, event(4, 7, 0)),
            (2, 1, event(4, 8, 0)),
            (1, 2, event(4, 10, 0)),
        ]);
        let Recorded::Record(clock) = row.recorded(columns(3)) else {
            panic!("a record");
        };
        let sizes: Vec<_> = clock.groups.iter().map(|group| group.cells.len()).collect();
        assert_eq!(sizes, [2, 1]);
    }

    #[test]
    fn a_tombstone_has_no_cells_whether_the_row_is_there_or_not() {
        for exists in [false, true] {
            let row = OldRow {
                exists,
                sentinel: Some((CausalLength(2), event(3, 0, 0))),
                ..live(&[(0, 1, event(1, 0, 0))])
            };
            let Recorded::Record(clock) = row.recorded(columns(1)) else {
                panic!("a record");
            };
            assert_eq!((clock.cl, clock.groups.len()), (CausalLength(2), 0));
        }
    }

    #[test]
    fn clocks_of_a_live_row_that_is_gone_say_nothing() {
        let row = OldRow {
            exists: false,
            ..live(&[(0, 1, event(1, 0, 0))])
        };
        assert_eq!(row.recorded(columns(1)), Recorded::Nothing);
    }

    #[test]
    fn a_row_of_its_key_alone_is_pristine_by_its_sentinel() {
        let row = OldRow {
            sentinel: Some((CausalLength(1), event(3, 0, 1))),
            ..live(&[])
        };
        assert_eq!(row.recorded(columns(0)), Recorded::Pristine(event(3, 0, 1)));
    }

    #[test]
    fn a_row_whose_columns_are_gone_keeps_its_announcement() {
        let row = OldRow {
            lost: Some(event(3, 4, 1)),
            ..live(&[])
        };
        let Recorded::Record(clock) = row.recorded(columns(2)) else {
            panic!("a record");
        };
        assert_eq!(
            clock.sentinel.map(|entry| entry.at),
            Some(event(3, 4, 1).at)
        );
    }
}
