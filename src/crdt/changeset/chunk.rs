//! Reading a chunk row by row, in the order in which the rows were written.

use super::numbers::{NumberReader, take_block};
use super::values::ValueReader;
use super::{
    CHUNK_COLUMNS_MAX, CHUNK_ROWS_MAX, CHUNK_VALUES_MAX, ChunkHeader, Defect, GroupHeader, Header,
    TableHeader, encoding,
};
use crate::crdt::change::{COUNTER_MAX, CausalLength, ColumnVersion, DbVersion, Seq};
use crate::crdt::value::ValueRef;

/// A cell that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellRead<'a> {
    /// How often it was written
    pub version: ColumnVersion,
    /// Its seq
    pub seq: Seq,
    /// What it holds
    pub value: ValueRef<'a>,
}

/// A row of a chunk: all changes of one row that one write made.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'r, 'a> {
    /// The number of its group: rows of the same number have the same table and columns
    pub group: usize,
    /// The place of the table in the header
    pub table: usize,
    /// The places of its columns in the table's header; none for a sentinel
    pub columns: &'r [u32],
    /// The place of the author in the header
    pub site: usize,
    /// The transaction
    pub version: DbVersion,
    /// The place in it
    pub seq: Seq,
    /// The row's causal length
    pub cl: CausalLength,
    /// The values of the key
    pub key: &'r [ValueRef<'a>],
    /// The cells, one for each of `columns`
    pub cells: &'r [CellRead<'a>],
}

#[derive(Clone)]
struct CellReader<'a> {
    versions: NumberReader<'a>,
    offsets: NumberReader<'a>,
    values: ValueReader<'a>,
}

#[derive(Clone)]
struct GroupReader<'a> {
    header: GroupHeader,
    left: u64,
    sites: NumberReader<'a>,
    versions: NumberReader<'a>,
    seqs: NumberReader<'a>,
    lives: NumberReader<'a>,
    keys: Vec<ValueReader<'a>>,
    cells: Vec<CellReader<'a>>,
}

/// Reads a chunk. A clone reads on from the same row.
#[derive(Clone)]
pub struct ChunkReader<'a> {
    groups: Vec<GroupReader<'a>>,
    order: std::vec::IntoIter<(u32, u64)>,
    current: usize,
    left: u64,
    sites: usize,
    key: Vec<ValueRef<'a>>,
    cells: Vec<CellRead<'a>>,
}

impl<'a> GroupReader<'a> {
    fn take(
        rest: &mut &'a [u8],
        header: GroupHeader,
        tables: &[TableHeader],
    ) -> Result<GroupReader<'a>, Defect> {
        let table = tables
            .get(header.table as usize)
            .ok_or(Defect::Unlisted("table"))?;
        if header
            .columns
            .iter()
            .any(|column| *column as usize >= table.columns.len())
        {
            return Err(Defect::Unlisted("column"));
        }
        let mut columns = header.columns.clone();
        columns.sort_unstable();
        columns.dedup();
        if columns.len() < header.columns.len() {
            return Err(Defect::Repeated);
        }
        let mut numbers = || NumberReader::new(take_block(rest)?);
        let (sites, versions, seqs, lives) = (numbers()?, numbers()?, numbers()?, numbers()?);
        let clocks = header
            .columns
            .iter()
            .map(|_| Ok((numbers()?, numbers()?)))
            .collect::<Result<Vec<_>, Defect>>()?;
        let keys = (0..table.key_columns)
            .map(|_| ValueReader::take(rest, header.rows))
            .collect::<Result<_, _>>()?;
        let cells = clocks
            .into_iter()
            .map(|(versions, offsets)| {
                Ok(CellReader {
                    versions,
                    offsets,
                    values: ValueReader::take(rest, header.rows)?,
                })
            })
            .collect::<Result<_, Defect>>()?;
        Ok(GroupReader {
            left: header.rows,
            header,
            sites,
            versions,
            seqs,
            lives,
            keys,
            cells,
        })
    }

    fn finish(&self) -> Result<(), Defect> {
        if self.left > 0 {
            return Err(Defect::Order);
        }
        for numbers in [&self.sites, &self.versions, &self.seqs, &self.lives] {
            numbers.finish()?;
        }
        for cell in &self.cells {
            cell.versions.finish()?;
            cell.offsets.finish()?;
            cell.values.finish()?;
        }
        self.keys.iter().try_for_each(ValueReader::finish)
    }
}

/// Refuses more than a writer puts into one chunk.
fn check_size(groups: &[GroupHeader], tables: &[TableHeader]) -> Result<(), Defect> {
    let (mut rows, mut columns, mut values) = (0u64, 0usize, 0u64);
    for group in groups {
        let table = tables.get(group.table as usize);
        let key_columns = table.map_or(0, |table| usize::from(table.key_columns));
        let width = group.columns.len() + key_columns;
        rows = rows.saturating_add(group.rows);
        columns = columns.saturating_add(width + 1);
        values = values.saturating_add(group.rows.saturating_mul(width as u64));
    }
    // The last row that a writer takes in may have as many columns as a table can have.
    let is_small =
        rows <= CHUNK_ROWS_MAX && columns <= 2 * CHUNK_COLUMNS_MAX && values <= CHUNK_VALUES_MAX;
    if is_small {
        Ok(())
    } else {
        Err(Defect::TooMany)
    }
}

fn counter(number: i64, least: i64, what: &'static str) -> Result<u64, Defect> {
    match (least..=COUNTER_MAX).contains(&number) {
        true => Ok(number as u64),
        false => Err(Defect::Counter(what)),
    }
}

impl<'a> ChunkReader<'a> {
    /// Reads the bytes of a chunk, as they are without compression.
    pub(super) fn new(bytes: &'a [u8], header: &Header) -> Result<ChunkReader<'a>, Defect> {
        let (chunk, length) =
            bincode::serde::decode_from_slice::<ChunkHeader, _>(bytes, encoding())
                .map_err(|_| Defect::Header)?;
        let mut rest = bytes.get(length..).unwrap_or_default();
        check_size(&chunk.groups, &header.tables)?;
        let groups = chunk
            .groups
            .into_iter()
            .map(|group| GroupReader::take(&mut rest, group, &header.tables))
            .collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(Defect::Long);
        }
        Ok(ChunkReader {
            groups,
            order: chunk.order.into_iter(),
            current: 0,
            left: 0,
            sites: header.sites.len(),
            key: Vec::new(),
            cells: Vec::new(),
        })
    }

    /// The next row; none at the end, where all bytes must have been used.
    pub fn next_row(&mut self) -> Result<Option<RowView<'_, 'a>>, Defect> {
        if self.left == 0 {
            let Some((group, count)) = self.order.next() else {
                self.groups.iter().try_for_each(GroupReader::finish)?;
                return Ok(None);
            };
            (self.current, self.left) = (group as usize, count);
        }
        let group = self.groups.get_mut(self.current).ok_or(Defect::Order)?;
        if self.left == 0 || group.left == 0 {
            return Err(Defect::Order);
        }
        self.left -= 1;
        group.left -= 1;
        let site = group.sites.next()?;
        let site = usize::try_from(site).ok().filter(|site| *site < self.sites);
        let site = site.ok_or(Defect::Unlisted("author"))?;
        let version = DbVersion(counter(group.versions.next()?, 0, "the version")?);
        let seq = counter(group.seqs.next()?, 0, "the seq")?;
        let cl = CausalLength(counter(group.lives.next()?, 1, "the causal length")?);
        self.key.clear();
        for key in &mut group.keys {
            self.key.push(key.next()?);
        }
        self.cells.clear();
        for cell in &mut group.cells {
            let version = counter(cell.versions.next()?, 0, "a column version")?;
            let offset = counter(cell.offsets.next()?, 0, "the seq")?;
            self.cells.push(CellRead {
                version: ColumnVersion(version),
                seq: Seq(counter((seq + offset) as i64, 0, "the seq")?),
                value: cell.values.next()?,
            });
        }
        Ok(Some(RowView {
            group: self.current,
            table: group.header.table as usize,
            columns: &group.header.columns,
            site,
            version,
            seq: Seq(seq),
            cl,
            key: &self.key,
            cells: &self.cells,
        }))
    }
}
