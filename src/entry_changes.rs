//! What an entry of the log says: the changes that it still speaks for.

use crate::crdt::change::{CausalLength, ColumnId, ColumnVersion, Position, Seq};
use crate::crdt::clock::{EntryMeaning, RowClock, cell_seq};
use crate::schema::Crr;

/// One change of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Emitted {
    /// The index in `Crr::columns`; none for the sentinel
    pub column: Option<usize>,
    /// How often the cell was written; for the sentinel, how often the row was created or deleted
    pub version: u64,
    /// Its seq
    pub seq: Seq,
}

/// The changes that an entry speaks for. The stride of a first insert says which columns there were.
pub fn collect(
    crr: &Crr,
    clock: Option<&RowClock>,
    (at, stride): (Position, u64),
    changes: &mut Vec<Emitted>,
) {
    let sentinel = |cl: CausalLength| Emitted {
        column: None,
        version: cl.0,
        seq: at.seq,
    };
    let first_insert = |changes: &mut Vec<Emitted>, is_listed: &dyn Fn(ColumnId) -> bool| {
        let mut inserted = (0..)
            .zip(&crr.columns)
            .filter(|(_, column)| u64::from(column.id.0) < stride)
            .peekable();
        if inserted.peek().is_none() {
            // Nothing else would tell of the row.
            changes.push(sentinel(CausalLength::FIRST_LIFE));
        }
        let own = inserted.filter(|(_, column)| !is_listed(column.id));
        changes.extend(own.map(|(index, column)| Emitted {
            column: Some(index),
            version: ColumnVersion::FIRST.0,
            seq: at.seq.plus(u64::from(column.id.0)),
        }));
    };
    let Some(clock) = clock else {
        first_insert(changes, &|_| false);
        return;
    };
    match clock.entry_at(at) {
        EntryMeaning::Stale => {}
        EntryMeaning::Sentinel => changes.push(sentinel(clock.cl)),
        EntryMeaning::FirstInsert => first_insert(changes, &|column| clock.lists(column)),
        EntryMeaning::Cells(group) => {
            changes.extend(group.cells.iter().filter_map(|cell| {
                Some(Emitted {
                    column: Some(crr.column_by_id(cell.column)?),
                    version: cell.version.0,
                    seq: cell_seq(group, cell),
                })
            }));
            let is_silent = || !clock.is_announced(|column| crr.column_by_id(column).is_some());
            if changes.is_empty() && clock.groups.first() == Some(group) && is_silent() {
                changes.push(sentinel(clock.cl));
            }
        }
    }
}
