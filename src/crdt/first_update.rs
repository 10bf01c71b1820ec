//! The record of the commonest kind: a row as it was inserted, but for one local write.

use super::change::{ColumnId, ColumnVersion, DbVersion, Position, Seq, SiteOrdinal};
use super::clock::{Base, CellClock, Entry, Group, encode_into};

/// Makes the records of rows that were pristine until one local write, all in the same memory.
#[derive(Debug)]
pub struct FirstUpdate {
    group: Group,
    bytes: Vec<u8>,
}

impl Default for FirstUpdate {
    fn default() -> FirstUpdate {
        let entry = Entry {
            at: Position {
                version: DbVersion(0),
                seq: Seq(0),
            },
            site: SiteOrdinal::LOCAL,
            is_logged: false,
            is_open: false,
        };
        FirstUpdate {
            group: Group {
                entry,
                cells: Vec::new(),
            },
            bytes: Vec::new(),
        }
    }
}

impl FirstUpdate {
    /// The bytes of a record of a write that set `columns`, whose seqs count up from `at`; its log entry, and the
    /// seqs that reserves.
    pub fn encode(
        &mut self,
        at: Position,
        columns: impl Iterator<Item = ColumnId>,
    ) -> (&[u8], Entry, u64) {
        let cells = columns.zip(0..).map(|(column, offset)| CellClock {
            column,
            version: ColumnVersion::FIRST.next(),
            offset,
        });
        self.group.entry.at = at;
        self.group.cells.clear();
        self.group.cells.extend(cells);
        encode_into(
            &mut self.bytes,
            Base::Pristine,
            None,
            std::slice::from_ref(&self.group),
        );
        (&self.bytes, self.group.entry, self.group.cells.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::RowClock;
    use super::*;

    #[test]
    fn a_first_update_has_the_bytes_of_its_clock() {
        let columns = || [ColumnId(2), ColumnId(40)].into_iter();
        let at = Position {
            version: DbVersion(7),
            seq: Seq(300),
        };
        let mut clock = RowClock::pristine();
        clock.set_cells(
            at,
            SiteOrdinal::LOCAL,
            columns().map(|column| (column, ColumnVersion::FIRST.next())),
        );
        clock.close();
        let mut update = FirstUpdate::default();
        for _ in 0..2 {
            let (bytes, entry, seqs) = update.encode(at, columns());
            assert_eq!(bytes, clock.encode());
            assert_eq!(clock.unlogged().collect::<Vec<_>>(), [(entry, seqs)]);
        }
    }
}
