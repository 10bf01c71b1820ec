//! The clock record of a row that is not pristine, and the bytes it is stored as.
//!
//! A record groups the cells of a row by the write that last set them; each group, and the sentinel, is
//! announced by one log entry. What always holds: a column stands in at most one group, no group is empty,
//! and every group that `superseded` does not name has its log entry. docs/design.md describes the bytes.

use super::change::{CausalLength, ColumnId, ColumnVersion, Position, Seq, SiteOrdinal};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is known of the columns that no group lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// They were never set in this life.
    Unset,
    /// They are at version 1, as the log entry of the row's first insert says; but for late columns that
    /// still hold their default, which were never set.
    Pristine,
    /// Those with a smaller id are at version 1, as the log entry of the row's first insert says; the others
    /// were never set.
    PristineTo(u32),
}

/// One cell of a group. Its seq is that of the group plus `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellClock {
    /// Which column
    pub column: ColumnId,
    /// How often it was written
    pub version: ColumnVersion,
    /// Distance from the group's seq
    pub offset: u64,
}

/// A log entry that a record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands in the log
    pub at: Position,
    /// Who wrote it
    pub site: SiteOrdinal,
    /// Whether the log holds it already
    #[serde(skip, default = "logged")]
    pub is_logged: bool,
    /// Whether no entry of another row can stand between this one and the next of its row
    #[serde(skip)]
    pub is_open: bool,
}

/// What is read from a file is in the log.
fn logged() -> bool {
    true
}

/// The cells that one write set and no later one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its log entry
    pub entry: Entry,
    /// Its cells, in ascending order of `offset`
    pub cells: Vec<CellClock>,
}

/// The clock of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowClock {
    /// How often the row was created or deleted
    pub cl: CausalLength,
    /// The columns not listed
    pub base: Base,
    /// The log entry of the last creation or deletion, unless the row lives its first life by its cells alone
    pub sentinel: Option<Entry>,
    /// The cells that were set since
    pub groups: Vec<Group>,
    /// Cells that a new life inherited and that have no place in the log yet
    pub inherited: Vec<ColumnId>,
    /// Log entries that no longer say anything
    pub superseded: Vec<Position>,
    /// Late columns that hold their default: with a pristine base they were never set. To be found out from
    /// the row by whoever asks for the version of a column.
    pub uncovered: Vec<ColumnId>,
}

/// A counter that a peer took so far that no later number is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedUp {
    /// The causal length of the row
    Row,
    /// The version of a column
    Cell(ColumnId),
}

/// The stored part of a record; its causal length stands in a column of its own.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    base: Base,
    sentinel: Option<Entry>,
    groups: Cow<'a, [Group]>,
}

/// A group that is begun with one cell has room for so many.
const CELLS_EXPECTED: usize = 8;

/// The first byte of a stored record.
const FORMAT: u8 = 1;

/// A record of a table with SQLite's maximum of 32,767 columns stays below this; more is not one of ours.
const RECORD_BYTES_MAX: usize = 1 << 22;

fn encoding() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>()
}

/// The bytes of a record, in place of what `bytes` holds.
pub(super) fn encode_into(
    bytes: &mut Vec<u8>,
    base: Base,
    sentinel: Option<Entry>,
    groups: &[Group],
) {
    let stored = Stored {
        base,
        sentinel,
        groups: Cow::Borrowed(groups),
    };
    bytes.clear();
    bytes.push(FORMAT);
    let written = bincode::serde::encode_into_std_write(&stored, bytes, encoding());
    debug_assert!(written.is_ok(), "a record of integers always encodes");
}

impl RowClock {
    /// A row never heard of.
    pub fn unknown() -> RowClock {
        RowClock {
            cl: CausalLength::UNKNOWN,
            base: Base::Unset,
            sentinel: None,
            groups: Vec::new(),
            inherited: Vec::new(),
            superseded: Vec::new(),
            uncovered: Vec::new(),
        }
    }

    /// A live row without a record.
    pub fn pristine() -> RowClock {
        RowClock {
            cl: CausalLength::FIRST_LIFE,
            base: Base::Pristine,
            ..RowClock::unknown()
        }
    }

    /// A live row that was inserted with the columns of smaller ids than `next_column`.
    pub fn inserted_with(next_column: u32) -> RowClock {
        RowClock {
            base: Base::PristineTo(next_column),
            ..RowClock::pristine()
        }
    }

    /// Whether the row's first insert still counts for the columns that no group lists.
    pub fn is_first_insert(&self) -> bool {
        self.base != Base::Unset
    }

    /// The version of a column; none if it was never set in this life.
    pub fn column_version(&self, column: ColumnId) -> Option<ColumnVersion> {
        if self.inherited.contains(&column) {
            return Some(ColumnVersion::INHERITED);
        }
        match (self.find(column), self.base) {
            (Some((_, cell)), _) => Some(cell.version),
            (None, Base::Pristine) => {
                (!self.uncovered.contains(&column)).then_some(ColumnVersion::FIRST)
            }
            (None, Base::PristineTo(end)) => (column.0 < end).then_some(ColumnVersion::FIRST),
            (None, Base::Unset) => None,
        }
    }

    /// Whether a group lists the column.
    pub fn lists(&self, column: ColumnId) -> bool {
        self.find(column).is_some()
    }

    /// What the last write brought to a number that peers refuse.
    pub fn used_up(&self) -> Option<UsedUp> {
        if self.cl.is_used_up() {
            return Some(UsedUp::Row);
        }
        let mut cells = self.groups.last()?.cells.iter();
        let cell = cells.find(|cell| cell.version.is_used_up())?;
        Some(UsedUp::Cell(cell.column))
    }

    /// Whether some entry tells of the row, given which columns there still are.
    pub fn is_announced(&self, is_there: impl Fn(ColumnId) -> bool) -> bool {
        let mut cells = self.groups.iter().flat_map(|group| &group.cells);
        self.is_first_insert() || self.sentinel.is_some() || cells.any(|cell| is_there(cell.column))
    }

    /// The site that last wrote a listed column.
    pub fn column_site(&self, column: ColumnId) -> Option<SiteOrdinal> {
        self.find(column).map(|(group, _)| group.entry.site)
    }

    fn find(&self, column: ColumnId) -> Option<(&Group, &CellClock)> {
        self.groups.iter().find_map(|group| {
            let cell = group.cells.iter().find(|cell| cell.column == column)?;
            Some((group, cell))
        })
    }

    /// Records that one write set `cells`, whose seqs count up from `at`.
    pub fn set_cells(
        &mut self,
        at: Position,
        site: SiteOrdinal,
        cells: impl Iterator<Item = (ColumnId, ColumnVersion)>,
    ) {
        let cells: Vec<CellClock> = cells
            .zip(0..)
            .map(|((column, version), offset)| CellClock {
                column,
                version,
                offset,
            })
            .collect();
        for cell in &cells {
            self.forget_column(cell.column);
        }
        if let Some(group) = self.open_group(at, site) {
            let distance = at.seq.0 - group.entry.at.seq.0;
            group.cells.extend(cells.into_iter().map(|cell| CellClock {
                offset: cell.offset + distance,
                ..cell
            }));
        } else if !cells.is_empty() {
            let entry = Entry {
                at,
                site,
                is_logged: false,
                is_open: true,
            };
            self.groups.push(Group { entry, cells });
        }
    }

    /// Records that a write at `at` set one cell.
    pub fn set_cell(
        &mut self,
        at: Position,
        site: SiteOrdinal,
        column: ColumnId,
        version: ColumnVersion,
    ) {
        self.forget_column(column);
        match self.open_group(at, site) {
            Some(group) => {
                let offset = at.seq.0 - group.entry.at.seq.0;
                group.cells.push(CellClock {
                    column,
                    version,
                    offset,
                });
            }
            None => {
                let entry = Entry {
                    at,
                    site,
                    is_logged: false,
                    is_open: true,
                };
                // More mostly follow.
                let mut cells = Vec::with_capacity(CELLS_EXPECTED);
                cells.push(CellClock {
                    column,
                    version,
                    offset: 0,
                });
                self.groups.push(Group { entry, cells });
            }
        }
    }

    /// The group that cells at `at` may join: of the same write, with no other entry of the row in between.
    fn open_group(&mut self, at: Position, site: SiteOrdinal) -> Option<&mut Group> {
        let sentinel_at = self.sentinel.map(|entry| entry.at);
        let group = self.groups.last_mut()?;
        let entry = group.entry;
        let joins = entry.is_open
            && entry.site == site
            && entry.at.version == at.version
            && entry.at.seq <= at.seq
            && sentinel_at.is_none_or(|sentinel| sentinel < entry.at);
        joins.then_some(group)
    }

    fn forget_column(&mut self, column: ColumnId) {
        self.inherited.retain(|inherited| *inherited != column);
        let Some(index) = self
            .groups
            .iter()
            .position(|group| group.cells.iter().any(|cell| cell.column == column))
        else {
            return;
        };
        self.groups[index]
            .cells
            .retain(|cell| cell.column != column);
        if self.groups[index].cells.is_empty() {
            let group = self.groups.remove(index);
            self.supersede(group.entry);
        }
    }

    fn supersede(&mut self, entry: Entry) {
        if entry.is_logged {
            self.superseded.push(entry.at);
        }
    }

    /// Starts the life, or the death, that `cl` counts: every cell clock is gone.
    pub fn start_over(&mut self, cl: CausalLength, at: Position, site: SiteOrdinal) {
        self.forget_cells();
        self.set_sentinel(cl, at, site);
    }

    /// Drops every cell clock.
    pub fn forget_cells(&mut self) {
        for group in std::mem::take(&mut self.groups) {
            self.supersede(group.entry);
        }
        self.inherited.clear();
        self.base = Base::Unset;
    }

    /// Starts a new life in which the cells keep what they hold, at version 0. `columns` are the table's.
    pub fn revive(
        &mut self,
        cl: CausalLength,
        at: Position,
        site: SiteOrdinal,
        columns: impl Iterator<Item = ColumnId>,
    ) {
        let inherited = columns
            .filter(|column| self.column_version(*column).is_some())
            .collect();
        self.start_over(cl, at, site);
        self.inherited = inherited;
    }

    /// Records the log entry of the row's creation or deletion.
    pub fn set_sentinel(&mut self, cl: CausalLength, at: Position, site: SiteOrdinal) {
        if let Some(entry) = self.sentinel.take() {
            self.supersede(entry);
        }
        self.cl = cl;
        self.sentinel = Some(Entry {
            at,
            site,
            is_logged: false,
            is_open: true,
        });
    }

    /// Other rows may be written from here on.
    pub fn close(&mut self) {
        for group in &mut self.groups {
            group.entry.is_open = false;
        }
    }

    /// The entries that the log does not hold yet, with the seqs each reserves.
    pub fn unlogged(&self) -> impl Iterator<Item = (Entry, u64)> {
        let groups = self.groups.iter().map(|group| {
            let reserved = group.cells.last().map_or(0, |cell| cell.offset + 1);
            (group.entry, reserved)
        });
        let sentinel = self.sentinel.iter().map(|entry| (*entry, 1));
        sentinel.chain(groups).filter(|(entry, _)| !entry.is_logged)
    }

    /// The bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        encode_into(&mut bytes, self.base, self.sentinel, &self.groups);
        bytes
    }

    /// Reads a record; none if the bytes are not one.
    pub fn decode(cl: CausalLength, bytes: &[u8]) -> Option<RowClock> {
        let (&FORMAT, body) = bytes.split_first()? else {
            return None;
        };
        let (stored, length) =
            bincode::serde::decode_from_slice::<Stored<'_>, _>(body, encoding()).ok()?;
        (length == body.len()).then_some(RowClock {
            cl,
            base: stored.base,
            sentinel: stored.sentinel,
            groups: stored.groups.into_owned(),
            ..RowClock::unknown()
        })
    }

    /// What the log entry at `at` still says about this row.
    pub fn entry_at(&self, at: Position) -> EntryMeaning<'_> {
        if let Some(group) = self.groups.iter().find(|group| group.entry.at == at) {
            return EntryMeaning::Cells(group);
        }
        match self.sentinel {
            Some(entry) if entry.at == at => EntryMeaning::Sentinel,
            _ if self.is_first_insert() => EntryMeaning::FirstInsert,
            _ => EntryMeaning::Stale,
        }
    }
}

/// What a log entry says, given the record of its row.
#[derive(Debug, PartialEq, Eq)]
pub enum EntryMeaning<'a> {
    /// It set these cells.
    Cells(&'a Group),
    /// It created or deleted the row.
    Sentinel,
    /// It set the columns that the record does not list.
    FirstInsert,
    /// Nothing any more.
    Stale,
}

/// The seq of a cell.
pub fn cell_seq(group: &Group, cell: &CellClock) -> Seq {
    group.entry.at.seq.plus(cell.offset)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::change::DbVersion;
    use super::*;

    /// A position, also for the tests of records that are made in other ways.
    pub fn at(version: u64, seq: u64) -> Position {
        Position {
            version: DbVersion(version),
            seq: Seq(seq),
        }
    }

    /// The clock as it is read back.
    fn stored(clock: &RowClock) -> RowClock {
        RowClock::decode(clock.cl, &clock.encode()).expect("what was encoded decodes")
    }

    fn written(columns: &[u32], version: u64) -> impl Iterator<Item = (ColumnId, ColumnVersion)> {
        columns
            .iter()
            .map(move |c| (ColumnId(*c), ColumnVersion(version)))
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let mut clock = RowClock::pristine();
        clock.set_cells(at(3, 5), SiteOrdinal::LOCAL, written(&[1, 300], 2));
        clock.set_sentinel(CausalLength(3), at(1 << 40, 70_000), SiteOrdinal(9));
        assert_eq!(clock.unlogged().count(), 2);
        let stored = stored(&clock);
        assert_eq!(stored.unlogged().count(), 0);
        assert_eq!(stored.groups[0].cells, clock.groups[0].cells);
        assert_eq!(
            stored.sentinel.map(|entry| entry.at),
            Some(at(1 << 40, 70_000))
        );
    }

    #[test]
    fn the_bytes_of_a_first_update_are_these() {
        let mut clock = RowClock::pristine();
        clock.set_cells(at(2, 0), SiteOrdinal::LOCAL, written(&[1], 2));
        // format, base, no sentinel, one group: version, seq, site, one cell: column, version, offset
        assert_eq!(clock.encode(), [1, 1, 0, 1, 2, 0, 0, 1, 1, 2, 0]);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        for bytes in [
            &b""[..],
            b"\x02",
            b"\x01",
            b"\x01\x00\x00\x00\x00",
            b"\x01\x00\x00\xfc\xff\xff\xff\xff",
        ] {
            assert_eq!(RowClock::decode(CausalLength(1), bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_group_that_loses_its_last_cell_gives_up_its_log_entry() {
        let mut clock = RowClock::pristine();
        clock.set_cells(at(2, 0), SiteOrdinal::LOCAL, written(&[0, 1], 2));
        let mut clock = stored(&clock);
        clock.set_cells(at(3, 0), SiteOrdinal::LOCAL, written(&[0], 3));
        assert_eq!(clock.superseded, []);
        clock.set_cells(at(3, 1), SiteOrdinal::LOCAL, written(&[1], 3));
        assert_eq!(clock.superseded, [at(2, 0)]);
        assert_eq!(clock.groups.len(), 1, "both cells are of one write");
    }

    #[test]
    fn an_entry_means_what_the_record_says() {
        let mut clock = RowClock::pristine();
        clock.set_cells(at(2, 0), SiteOrdinal::LOCAL, written(&[0], 2));
        assert_eq!(clock.entry_at(at(1, 0)), EntryMeaning::FirstInsert);
        assert!(matches!(clock.entry_at(at(2, 0)), EntryMeaning::Cells(_)));
        clock.start_over(CausalLength(2), at(3, 0), SiteOrdinal::LOCAL);
        assert_eq!(clock.entry_at(at(1, 0)), EntryMeaning::Stale);
        assert_eq!(clock.entry_at(at(3, 0)), EntryMeaning::Sentinel);
        assert_eq!(clock.column_version(ColumnId(0)), None);
    }

    #[test]
    fn a_revived_row_inherits_the_cells_it_had() {
        let mut clock = RowClock::unknown();
        clock.set_cells(at(2, 0), SiteOrdinal::LOCAL, written(&[4], 7));
        clock.revive(
            CausalLength(3),
            at(5, 0),
            SiteOrdinal(1),
            [ColumnId(3), ColumnId(4)].into_iter(),
        );
        assert_eq!(clock.column_version(ColumnId(3)), None);
        assert_eq!(
            clock.column_version(ColumnId(4)),
            Some(ColumnVersion::INHERITED)
        );
    }
}
