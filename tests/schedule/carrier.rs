//! Changes as a changeset, made here and not by the extension: of any selection, in any order.

use crate::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crate::crdt::changeset::{CellWrite, Origin, Part, Reader, RowHead, Writer};
use crate::crdt::key;
use crate::crdt::value::{Value as Stored, ValueRef};

use crate::model::replica::{Change, SENTINEL};
use crate::model::value::Value;

/// Is it so small that it can't be applied in several slices? They may also end between chunks.
pub fn is_one_chunk(changeset: &[u8]) -> bool {
    Reader::open(changeset).is_ok_and(|reader| reader.header().chunks <= 1)
}

/// A table in the header, and its columns.
struct Listed<'a> {
    name: &'a str,
    number: u32,
    columns: Vec<(&'a str, u32)>,
}

/// A changeset of these changes, in their order. Neighbours of one row and one write become one row.
pub fn changeset(changes: &[Change]) -> Vec<u8> {
    let mut writer = Writer::new(Origin {
        site: vec![99; 16],
        after: (DbVersion(0), None),
        level: 1,
    });
    let mut tables: Vec<Listed> = Vec::new();
    let mut rest = changes;
    while let Some(first) = rest.first() {
        let length = row_length(rest);
        let (row, others) = rest.split_at(length);
        rest = others;
        let key: Vec<Stored> = key::unpack(&first.pk).expect("a packed key");
        let known = tables.iter().position(|table| table.name == first.table);
        let place = known.unwrap_or_else(|| {
            tables.push(Listed {
                name: &first.table,
                number: writer.add_table(&first.table, key.len()),
                columns: Vec::new(),
            });
            tables.len() - 1
        });
        let table = &mut tables[place];
        let mut columns = Vec::new();
        for change in row.iter().filter(|change| change.cid != SENTINEL) {
            let known = table.columns.iter().find(|(name, _)| *name == change.cid);
            columns.push(match known {
                Some((_, column)) => *column,
                None => {
                    let column = writer.add_column(table.number, &change.cid);
                    table.columns.push((&change.cid, column));
                    column
                }
            });
        }
        let head = RowHead {
            site: writer.site(&first.site),
            version: DbVersion(first.db_version as u64),
            seq: Seq(first.seq as u64),
            cl: CausalLength(first.cl as u64),
        };
        let cells = row.iter().filter(|change| change.cid != SENTINEL);
        let cells = cells.map(|change| CellWrite {
            version: ColumnVersion(change.col_version as u64),
            offset: (change.seq - first.seq) as u64,
            value: value_of(&change.val),
        });
        let target = (table.number, &columns[..]);
        writer.push(target, head, key.iter().map(Stored::as_ref), cells);
    }
    writer.finish(Position::default(), Part::Whole)
}

/// How many changes at the beginning make one row.
fn row_length(changes: &[Change]) -> usize {
    let first = &changes[0];
    let is_of_row = |place: usize| {
        let change = &changes[place];
        let is_cell = first.cid != SENTINEL && change.cid != SENTINEL;
        let of = |change: &Change| (change.table.clone(), change.pk.clone(), change.site.clone());
        let clocks = |change: &Change| (change.db_version, change.cl);
        is_cell
            && of(change) == of(first)
            && clocks(change) == clocks(first)
            && change.seq >= first.seq
            && changes[..place].iter().all(|other| other.cid != change.cid)
    };
    (1..changes.len())
        .take_while(|place| is_of_row(*place))
        .count()
        + 1
}

fn value_of(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(integer) => ValueRef::Integer(*integer),
        Value::Real(real) => ValueRef::Real(*real),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Blob(blob) => ValueRef::Blob(blob),
    }
}
