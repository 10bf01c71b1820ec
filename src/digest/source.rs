//! Reading the rows of one table in the order of its trees, with their digests.

use crate::crdt::change::{CausalLength, ColumnVersion};
use crate::crdt::digest::{Digest, Part, folded, key_rank, row_digest};
use crate::crdt::key as packed_key;
use crate::crdt::order;
use crate::crdt::value::{Affinity, NumericText, Value, ValueRef, numeric_text};
use crate::error::{Error, Result};
use crate::schema::key::canonical;
use crate::schema::{Crr, Key};
use crate::sql::{self, Part as SqlPart};
use crate::sqlite::Statement;
use crate::state::State;
use crate::state::rows::{Cell, RowState, live_cells};
use std::rc::Rc;

/// Keys after the first and not after the second, as bytes that sort.
pub type Range<'a> = (&'a [u8], &'a [u8]);

/// One row, while a scan is at it.
pub struct Row<'a> {
    names: &'a Names,
    is_rowid_keyed: bool,
    /// Its packed key
    pub packed: &'a [u8],
    /// The values of its key, unless it is a deleted one
    values: Vec<ValueRef<'a>>,
    /// Its causal length
    pub cl: CausalLength,
    /// Its cells that have a version
    pub cells: Vec<Cell<ValueRef<'a>>>,
}

impl Row<'_> {
    /// The key.
    pub fn key(&self) -> Result<Key> {
        key_of_packed(self.is_rowid_keyed, self.packed)
    }

    /// The key as bytes that sort.
    pub fn order(&self) -> Vec<u8> {
        match self.cl.is_live() {
            true => order::encode(self.values.iter().copied()),
            false => order::encode_packed(self.packed),
        }
    }

    /// How many levels its key ends.
    pub fn rank(&self) -> u8 {
        key_rank(self.packed)
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.names.digest(self.packed, self.cl, &self.cells)
    }
}

/// The names of a table's columns in the order in which digests take them.
#[derive(Debug)]
struct Names {
    folded: Vec<String>,
    /// The place of each column among them
    places: Vec<usize>,
    /// Whether columns come in that order anyway
    is_sorted: bool,
}

impl Names {
    fn of(crr: &Crr) -> Names {
        let folded: Vec<String> = crr
            .columns
            .iter()
            .map(|column| folded(&column.name))
            .collect();
        let mut order: Vec<usize> = (0..folded.len()).collect();
        order.sort_by(|a, b| folded[*a].cmp(&folded[*b]));
        let mut places = vec![0; folded.len()];
        for (place, index) in order.iter().enumerate() {
            places[*index] = place;
        }
        let is_sorted = order.is_sorted();
        Names {
            folded,
            places,
            is_sorted,
        }
    }

    fn digest(&self, packed: &[u8], cl: CausalLength, cells: &[Cell<ValueRef<'_>>]) -> Digest {
        let named = |cell: &Cell<ValueRef<'_>>| (cell.0, cell.1);
        if self.is_sorted {
            let cells = cells.iter().map(|cell| {
                let (index, version) = named(cell);
                (self.folded[index].as_str(), version, cell.2)
            });
            return row_digest(packed, cl, cells);
        }
        let mut sorted: Vec<&Cell<ValueRef<'_>>> = cells.iter().collect();
        sorted.sort_unstable_by_key(|cell| self.places[cell.0]);
        let cells = sorted.into_iter().map(|cell| {
            let (index, version): (usize, ColumnVersion) = named(cell);
            (self.folded[index].as_str(), version, cell.2)
        });
        row_digest(packed, cl, cells)
    }
}

/// What a statement on a range of keys compares: so many columns are equal, and the next one lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    equal: usize,
    has_low: bool,
    high: High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum High {
    Open,
    Below,
    UpTo,
}

impl Shape {
    /// The condition; parameters count from 1.
    fn condition(self, crr: &Crr) -> String {
        let names: Vec<&str> = crr.key_names().collect();
        let mut terms = Vec::new();
        let mut parameter = 0;
        let mut term = |column: usize, comparison: &str| {
            parameter += 1;
            terms.push(sql::compared("t", names[column], comparison, parameter));
        };
        (0..self.equal).for_each(|column| term(column, "="));
        if self.has_low {
            term(self.equal, ">");
        }
        match self.high {
            High::Open => {}
            High::Below => term(self.equal, "<"),
            High::UpTo => term(self.equal, "<="),
        }
        match terms.is_empty() {
            true => "1".to_owned(),
            false => sql::join(" AND ", terms),
        }
    }
}

/// The ranges of the key's index that make up the range after `low` and not after `high`: each compares one
/// column by order and those before it by equality, which an index serves whatever the columns' collations.
fn segments<'v>(
    low: Option<&'v [Value]>,
    high: Option<&'v [Value]>,
    count: usize,
) -> Vec<(Shape, Vec<ValueRef<'v>>)> {
    let mut found = Vec::new();
    let refs = |values: &'v [Value]| values.iter().map(Value::as_ref);
    let common = match (low, high) {
        (Some(low), Some(high)) => low.iter().zip(high).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    if common >= count {
        return found;
    }
    let up_to = |column: usize| match column + 1 == count {
        true => High::UpTo,
        false => High::Below,
    };
    if let Some(low) = low {
        for equal in (common + 1..count).rev() {
            let shape = Shape {
                equal,
                has_low: true,
                high: High::Open,
            };
            found.push((shape, refs(&low[..=equal]).collect()));
        }
    }
    let shape = Shape {
        equal: common,
        has_low: low.is_some(),
        high: high.map_or(High::Open, |_| up_to(common)),
    };
    let prefix = low
        .or(high)
        .map(|values| &values[..common])
        .unwrap_or_default();
    let bounds = [low, high].into_iter().flatten();
    let parameters = refs(prefix).chain(bounds.map(|values| values[common].as_ref()));
    found.push((shape, parameters.collect()));
    if let Some(high) = high {
        for equal in common + 1..count {
            let shape = Shape {
                equal,
                has_low: false,
                high: up_to(equal),
            };
            found.push((shape, refs(&high[..=equal]).collect()));
        }
    }
    found
}

/// The rows of one table.
pub struct Source<'s> {
    state: &'s State,
    /// The table
    pub crr: Rc<Crr>,
    names: Names,
    /// No row with a greater key has a record
    last_clock_key: Option<Key>,
    statements: Vec<(Shape, Statement)>,
}

impl<'s> Source<'s> {
    /// Of a table whose records are all written.
    pub fn new(state: &'s State, crr: Rc<Crr>) -> Result<Source<'s>> {
        if !crr.is_rowid_keyed && !state.store.stores_utf8()? {
            return Err(Error::Table(format!(
                "the keys of table {} can't be put in the order that all replicas share, because this database stores \
                 text as UTF-16; copy it into a UTF-8 database to use digests",
                sql::quoted(&crr.name)
            )));
        }
        let last_clock_key = state.store.last_clock_key(&crr)?;
        Ok(Source {
            state,
            names: Names::of(&crr),
            crr,
            last_clock_key,
            statements: Vec::new(),
        })
    }

    /// The digest of a row's state.
    pub fn digest_of(&self, key: &Key, row: &RowState) -> Digest {
        let cells: Vec<_> = row
            .cells
            .iter()
            .map(|(index, version, value)| (*index, *version, value.as_ref()))
            .collect();
        self.names.digest(&key.packed(), row.cl, &cells)
    }

    /// Reads the rows of a range in order, until `visit` says false.
    pub fn each(
        &mut self,
        part: Part,
        range: Range<'_>,
        visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        if range.0 >= range.1 {
            return Ok(());
        }
        match part {
            Part::Live => self.each_live(range, visit),
            Part::Dead => self.each_dead(range, visit),
        }
    }

    fn each_dead(
        &mut self,
        (low, high): Range<'_>,
        mut visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let bound = |bytes| order::decode_packed(bytes).ok_or_else(foreign_key);
        let low = match low {
            order::FIRST => &[],
            low => bound(low)?,
        };
        // No packed key begins like this: 255 values, and then a tag that there is not.
        let high = match high {
            order::LAST => &[0xff, 0xff],
            high => bound(high)?,
        };
        let (crr, names) = (&self.crr, &self.names);
        self.state
            .store
            .each_dead(self.crr.id, (low, high), |packed, cl| {
                visit(&dead_row(crr, names, packed, cl))
            })
    }

    /// Reads all deleted rows in order from the records.
    pub fn each_dead_record(
        &mut self,
        mut visit: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let text = self.crr.clock_sql(sql::DIGEST_DEAD_RECORDS);
        let mut records = self.state.store.connection.prepare(&text)?;
        while records.step()? {
            let packed = match records.value(0) {
                ValueRef::Integer(rowid) => Key::Rowid(rowid).packed(),
                ValueRef::Blob(packed) => packed.to_vec(),
                _ => continue,
            };
            let cl = CausalLength(records.integer(1) as u64);
            visit(&dead_row(&self.crr, &self.names, &packed, cl))?;
        }
        Ok(())
    }

    fn each_live(
        &mut self,
        (low, high): Range<'_>,
        mut visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let count = self.crr.key_columns.len();
        let bound = |bytes| order::decode(bytes, count).ok_or_else(foreign_key);
        let from = (low != order::FIRST).then(|| bound(low)).transpose()?;
        let to = (high != order::LAST).then(|| bound(high)).transpose()?;
        let is_exact = [&from, &to]
            .into_iter()
            .flatten()
            .all(|values| may_be_key(&self.crr, values));
        let (from, to) = if is_exact { (from, to) } else { (None, None) };
        let mut visit = |row: &Row<'_>| {
            if !is_exact {
                let key = row.order();
                if key.as_slice() <= low || key.as_slice() > high {
                    return Ok(true);
                }
            }
            visit(row)
        };
        for (shape, parameters) in segments(from.as_deref(), to.as_deref(), count) {
            let mut rows = self.take(shape)?;
            rows.bind_all(parameters)?;
            let outcome = self.read_live(&mut rows, &mut visit);
            rows.reset();
            self.statements.push((shape, rows));
            if !outcome? {
                break;
            }
        }
        Ok(())
    }

    /// Says whether to go on after the end of these rows.
    fn read_live(
        &self,
        rows: &mut Statement,
        visit: &mut impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let crr = &self.crr;
        let width = crr.key_columns.len();
        while rows.step()? {
            let values = (0..width).map(|column| rows.value(column));
            let key = crr.key_of_values(values)?;
            let may_have_clock = self
                .last_clock_key
                .as_ref()
                .is_some_and(|last| key <= *last);
            let clock = if may_have_clock {
                self.state.store.clock(crr, &key)?
            } else {
                None
            };
            let cl = clock
                .as_ref()
                .map_or(CausalLength::FIRST_LIFE, |clock| clock.cl);
            if !cl.is_live() {
                // Written unrecorded after its deletion: for others it is deleted.
                continue;
            }
            let canonical = |(column, declared): (usize, &crate::schema::KeyColumn)| {
                canonical(rows.value(column), declared.affinity)
            };
            let row = Row {
                names: &self.names,
                is_rowid_keyed: crr.is_rowid_keyed,
                packed: &key.packed(),
                values: crr.key_columns.iter().enumerate().map(canonical).collect(),
                cl,
                cells: live_cells(crr, clock.as_ref(), |index| rows.value(width + index)),
            };
            if !visit(&row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&mut self, shape: Shape) -> Result<Statement> {
        let kept = self.statements.iter().position(|(kept, _)| *kept == shape);
        if let Some(index) = kept {
            return Ok(self.statements.swap_remove(index).1);
        }
        let crr = &self.crr;
        let values = crr.columns.iter().map(|column| column.name.as_str());
        let columns = sql::join(
            ", ",
            crr.key_names()
                .chain(values)
                .map(|name| sql::column_of("t", name)),
        );
        let order = sql::join(", ", crr.key_names().map(|name| sql::ordered("t", name)));
        let text = crr.row_sql(
            sql::DIGEST_ROWS_IN_RANGE,
            &[
                ("columns", SqlPart::Sql(&columns)),
                ("range", SqlPart::Sql(&shape.condition(crr))),
                ("order", SqlPart::Sql(&order)),
            ],
        );
        self.state.store.connection.prepare(&text)
    }
}

/// The key of a row as it sorts in a part.
pub fn order_of(crr: &Crr, part: Part, key: &Key) -> Result<Vec<u8>> {
    Ok(match (part, key) {
        (Part::Dead, _) => order::encode_packed(&key.packed()),
        (Part::Live, Key::Rowid(rowid)) => order::encode([ValueRef::Integer(*rowid)].into_iter()),
        (Part::Live, Key::Packed(_)) => {
            order::encode(crr.key_values(key)?.iter().map(Value::as_ref))
        }
    })
}

fn key_of_packed(is_rowid_keyed: bool, packed: &[u8]) -> Result<Key> {
    if !is_rowid_keyed {
        return Ok(Key::Packed(packed.to_vec()));
    }
    match packed_key::unpack(packed).as_deref() {
        Ok([Value::Integer(rowid)]) => Ok(Key::Rowid(*rowid)),
        _ => Err(foreign_key()),
    }
}

fn dead_row<'a>(crr: &Crr, names: &'a Names, packed: &'a [u8], cl: CausalLength) -> Row<'a> {
    Row {
        names,
        is_rowid_keyed: crr.is_rowid_keyed,
        packed,
        values: Vec::new(),
        cl,
        cells: Vec::new(),
    }
}

/// Whether the columns of the key can hold these values. Others, which come from a replica that declares its key otherwise,
/// SQLite would convert before it compares them, and the range would be another one.
fn may_be_key(crr: &Crr, values: &[Value]) -> bool {
    let mut columns = crr.key_columns.iter().zip(values);
    columns.all(|(column, value)| match (value, column.affinity) {
        (Value::Integer(_) | Value::Real(_), Affinity::Text) => false,
        (Value::Text(text), Affinity::Numeric | Affinity::Real) => {
            numeric_text(text) == NumericText::No
        }
        _ => true,
    })
}

/// The bounds come from our own nodes or from a message.
fn foreign_key() -> Error {
    Error::Change(
        "a range of keys in the message is not of this table; both replicas must declare its key alike"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(low: Option<[i64; 2]>, high: Option<[i64; 2]>) -> Vec<String> {
        let values = |key: Option<[i64; 2]>| key.map(|key| key.map(Value::Integer));
        let (low, high) = (values(low), values(high));
        segments(
            low.as_ref().map(|k| &k[..]),
            high.as_ref().map(|k| &k[..]),
            2,
        )
        .iter()
        .map(|(shape, parameters)| {
            let numbers: Vec<String> = parameters
                .iter()
                .map(|value| match value {
                    ValueRef::Integer(number) => number.to_string(),
                    _ => String::new(),
                })
                .collect();
            let low = if shape.has_low { ">" } else { "" };
            format!("{}{low}{:?} {}", shape.equal, shape.high, numbers.join(","))
        })
        .collect()
    }

    #[test]
    fn a_range_of_a_composite_key_is_a_few_ranges_of_its_index() {
        assert_eq!(shown(None, None), ["0Open "]);
        assert_eq!(shown(Some([1, 5]), None), ["1>Open 1,5", "0>Open 1"]);
        assert_eq!(shown(None, Some([3, 4])), ["0Below 3", "1UpTo 3,4"]);
        assert_eq!(
            shown(Some([1, 5]), Some([3, 4])),
            ["1>Open 1,5", "0>Below 1,3", "1UpTo 3,4"]
        );
        assert_eq!(shown(Some([1, 5]), Some([1, 9])), ["1>UpTo 1,5,9"]);
        assert!(shown(Some([1, 5]), Some([1, 5])).is_empty());
    }
}
