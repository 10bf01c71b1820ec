//! The log: the order of change of all replicated tables.
//!
//! A row of it stands for one key, or for a run of keys that were written one after another. Runs grow in
//! memory until they are written. Of a written run keys may be taken out, which splits it; what is left
//! keeps its positions.

use super::{Slot, Store};
use crate::crdt::change::{DbVersion, Position, Seq, SiteOrdinal, TableId};
use crate::crdt::key;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::Key;
use crate::sql;
use crate::sqlite::Statement;
use std::rc::Rc;

/// A run of packed keys ends before it would leave its b-tree page: SQLite keeps at most a quarter of a
/// page (4,096 bytes by default) of such a row in place.
const RUN_BYTES_MAX: usize = 960;

/// The keys of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunKeys {
    /// Consecutive rowids from here on
    Rowids(i64),
    /// Packed keys one behind the other
    Packed(Vec<u8>),
}

/// A row of the log, perhaps not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whose change it is
    pub site: SiteOrdinal,
    /// The table
    pub table: TableId,
    /// The position of the first key
    pub at: Position,
    /// The seqs each key reserves
    pub stride: u64,
    /// How many keys there are
    pub count: u64,
    /// The keys
    pub keys: RunKeys,
}

impl Run {
    /// A run of one key.
    pub fn new(site: SiteOrdinal, table: TableId, at: Position, stride: u64, key: &Key) -> Run {
        let keys = match key {
            Key::Rowid(rowid) => RunKeys::Rowids(*rowid),
            Key::Packed(packed) => RunKeys::Packed(packed.clone()),
        };
        Run {
            site,
            table,
            at,
            stride,
            count: 1,
            keys,
        }
    }

    /// The run, to be changed: a copy with room to grow where a savepoint has it, too.
    pub fn to_grow(run: &mut Rc<Run>) -> &mut Run {
        if Rc::get_mut(run).is_none()
            && let RunKeys::Packed(packed) = &run.keys
        {
            let mut keys = Vec::with_capacity(packed.len().max(RUN_BYTES_MAX));
            keys.extend_from_slice(packed);
            *run = Rc::new(Run {
                keys: RunKeys::Packed(keys),
                ..**run
            });
        }
        Rc::make_mut(run)
    }

    /// Takes in the next key if it goes on where the run ends.
    pub fn extend(
        &mut self,
        site: SiteOrdinal,
        table: TableId,
        at: Position,
        stride: u64,
        key: &Key,
    ) -> bool {
        let follows = self.site == site
            && self.table == table
            && self.stride == stride
            && self.at.version == at.version
            && self.at.seq.plus(self.count * stride) == at.seq;
        let joined = follows
            && match (&mut self.keys, key) {
                (RunKeys::Rowids(first), Key::Rowid(rowid)) => {
                    first.checked_add_unsigned(self.count) == Some(*rowid)
                }
                (RunKeys::Packed(all), Key::Packed(packed))
                    if all.len() + packed.len() <= RUN_BYTES_MAX =>
                {
                    if self.count == 1 {
                        all.reserve_exact(RUN_BYTES_MAX - all.len());
                    }
                    all.extend_from_slice(packed);
                    true
                }
                _ => false,
            };
        self.count += u64::from(joined);
        joined
    }

    /// The position of the key with this index.
    pub fn position(&self, index: u64) -> Position {
        Position {
            version: self.at.version,
            seq: self.at.seq.plus(index * self.stride),
        }
    }

    /// The last position that is taken.
    pub fn end(&self) -> Position {
        let reserved = self.count.saturating_mul(self.stride);
        Position {
            version: self.at.version,
            seq: self.at.seq.plus(reserved.saturating_sub(1)),
        }
    }

    /// What is left without the keys of these indexes, which ascend.
    fn without(&self, indexes: &[u64]) -> Result<Vec<Run>> {
        let mut left: Vec<Run> = Vec::new();
        let mut indexes = indexes.iter().peekable();
        for (index, entry) in (0..).zip(self.split()) {
            if indexes.next_if(|taken| **taken == index).is_some() {
                continue;
            }
            let (at, key) = entry?;
            let joined = left
                .last_mut()
                .is_some_and(|last| last.extend(self.site, self.table, at, self.stride, &key));
            if !joined {
                left.push(Run::new(self.site, self.table, at, self.stride, &key));
            }
        }
        Ok(left)
    }

    /// The index of the key at a position.
    fn index_of(&self, at: Position) -> Option<u64> {
        let distance = at.seq.0.checked_sub(self.at.seq.0)?;
        let index = distance / self.stride.max(1);
        (self.at.version == at.version && index < self.count && self.position(index) == at)
            .then_some(index)
    }

    /// Reads the current row of a scan.
    pub fn read(row: &Statement) -> Result<Run> {
        let number = |column| row.integer(column) as u64;
        let keys = match row.value(4) {
            ValueRef::Integer(rowid) => RunKeys::Rowids(rowid),
            ValueRef::Blob(packed) => RunKeys::Packed(packed.to_vec()),
            _ => return Err(damaged()),
        };
        Ok(Run {
            at: Position {
                version: DbVersion(number(0)),
                seq: Seq(number(1)),
            },
            site: SiteOrdinal(number(2)),
            table: TableId(row.integer(3)),
            keys,
            count: number(5),
            stride: number(6),
        })
    }

    /// The keys of a written run, one by one.
    pub fn split(&self) -> RunSplit<'_> {
        let rest = match &self.keys {
            RunKeys::Packed(packed) => packed,
            RunKeys::Rowids(_) => &[][..],
        };
        RunSplit {
            run: self,
            index: 0,
            rest,
        }
    }
}

/// Iterates over the keys of a run with their positions.
#[derive(Debug)]
pub struct RunSplit<'a> {
    run: &'a Run,
    index: u64,
    rest: &'a [u8],
}

impl Iterator for RunSplit<'_> {
    type Item = Result<(Position, Key)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.run.count {
            return None;
        }
        let key = match self.run.keys {
            RunKeys::Rowids(first) => Key::Rowid(first.wrapping_add_unsigned(self.index)),
            RunKeys::Packed(_) => match key::split_first(self.rest) {
                Ok((packed, rest)) => {
                    self.rest = rest;
                    Key::Packed(packed.to_vec())
                }
                Err(_) => {
                    self.index = self.run.count;
                    return Some(Err(damaged()));
                }
            },
        };
        let at = self.run.position(self.index);
        self.index += 1;
        Some(Ok((at, key)))
    }
}

/// What the open transaction put into the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Appended {
    /// Nothing
    #[default]
    Nothing,
    /// Entries, this version the latest
    Until(DbVersion),
    /// Not known: some of it was undone
    Unknown,
}

impl Appended {
    fn and(self, version: DbVersion) -> Appended {
        match self {
            Appended::Nothing => Appended::Until(version),
            Appended::Until(latest) => Appended::Until(latest.max(version)),
            Appended::Unknown => Appended::Unknown,
        }
    }
}

/// A position as parameters.
fn place(at: Position) -> [ValueRef<'static>; 2] {
    [
        ValueRef::Integer(at.version.to_sql()),
        ValueRef::Integer(at.seq.to_sql()),
    ]
}

fn damaged() -> Error {
    Error::Corrupt(
        "a row of crsql_log is damaged; restore the file, or rebuild it from a peer".to_owned(),
    )
}

impl Store {
    /// Writes a row of the log.
    pub fn append(&self, run: &Run) -> Result<()> {
        let key = match &run.keys {
            RunKeys::Rowids(first) => ValueRef::Integer(*first),
            RunKeys::Packed(packed) => ValueRef::Blob(packed),
        };
        let values = [
            ValueRef::Integer(run.at.version.to_sql()),
            ValueRef::Integer(run.at.seq.to_sql()),
            ValueRef::Integer(run.site.0 as i64),
            ValueRef::Integer(run.table.0),
            key,
            ValueRef::Integer(run.count as i64),
            ValueRef::Integer(run.stride as i64),
        ];
        self.with(Slot::LogAppend, |append| append.run(values))
            .map_err(|error| error.during("recording a change"))?;
        self.appended.set(self.appended.get().and(run.at.version));
        Ok(())
    }

    /// Takes entries out. `positions` ascend.
    pub fn remove(&self, positions: &[Position]) -> Result<()> {
        let mut rest = positions;
        let mut was_in_run = false;
        while let Some((at, others)) = rest.split_first() {
            rest = others;
            // Rows of one key mostly come one after the other, and so do runs.
            let is_alone =
                !was_in_run && self.with(Slot::LogRemove, |remove| remove.run(place(*at)))? == 1;
            if is_alone {
                continue;
            }
            let run = self.with(Slot::LogCovering, |find| find.first(place(*at), Run::read))?;
            let run = run.transpose()?;
            let Some((run, first)) = run.and_then(|run| run.index_of(*at).map(|at| (run, at)))
            else {
                continue;
            };
            was_in_run = run.count > 1;
            let mut taken = Vec::with_capacity(rest.len().min(run.count as usize) + 1);
            taken.push(first);
            while let Some(index) = rest.first().and_then(|next| run.index_of(*next)) {
                taken.push(index);
                rest = &rest[1..];
            }
            self.with(Slot::LogRemoveRun, |remove| remove.run(place(run.at)))?;
            if (taken.len() as u64) < run.count {
                let left = run.without(&taken)?;
                left.iter().try_for_each(|left| self.append(left))?;
            }
        }
        Ok(())
    }

    /// The highest version that was given out and committed, as far as this connection sees.
    pub fn last_version(&self) -> Result<DbVersion> {
        let version = self.with(Slot::LogVersion, |last| {
            last.first([], |row| row.integer(0))
        })?;
        Ok(DbVersion(version.unwrap_or_default().max(0) as u64))
    }

    /// The last position that is taken; none in an empty log.
    pub fn last_position(&self) -> Result<Option<Position>> {
        self.with(Slot::LogLast, |last| {
            last.first([], |row| {
                let reserved = row.integer(2) as u64 * row.integer(3) as u64;
                Position {
                    version: DbVersion(row.integer(0) as u64),
                    seq: Seq(row.integer(1) as u64 + reserved.saturating_sub(1)),
                }
            })
        })
    }

    /// The site of the run that a pristine key was first inserted with. Needs the indexes of
    /// `make_keys_findable`. `is_other` tells the positions of the key's later entries.
    pub fn first_insert_site(
        &self,
        table: TableId,
        key: &Key,
        is_other: impl Fn(Position) -> bool,
    ) -> Result<Option<SiteOrdinal>> {
        let parameters = [ValueRef::Integer(table.0), key.stored()];
        let alone = self.with(Slot::LogByKey, |rows| {
            rows.bind_all(parameters)?;
            while rows.step()? {
                let version = DbVersion(rows.integer(0) as u64);
                if !is_other(Position {
                    version,
                    seq: Seq(rows.integer(1) as u64),
                }) {
                    return Ok(Some(SiteOrdinal(rows.integer(2) as u64)));
                }
            }
            Ok(None)
        })?;
        let Key::Rowid(rowid) = key else {
            return Ok(alone);
        };
        if alone.is_some() {
            return Ok(alone);
        }
        self.with(Slot::LogByRun, |runs| {
            runs.bind_all(parameters)?;
            while runs.step()? {
                let number = |column| runs.integer(column) as u64;
                let index = rowid.wrapping_sub(runs.integer(3)) as u64;
                let seq = Seq(number(1)).plus(index * number(4));
                if !is_other(Position {
                    version: DbVersion(number(0)),
                    seq,
                }) {
                    return Ok(Some(SiteOrdinal(number(2))));
                }
            }
            Ok(None)
        })
    }

    /// Makes the entries of a key findable: indexes, and packed keys on rows of their own.
    pub fn make_keys_findable(&self) -> Result<()> {
        let mut runs = Vec::new();
        let mut packed = self.connection.prepare(sql::LOG_PACKED_RUNS)?;
        while packed.step()? {
            runs.push(Run::read(&packed)?);
        }
        for run in &runs {
            self.with(Slot::LogRemoveRun, |remove| remove.run(place(run.at)))?;
            for entry in run.split() {
                let (at, key) = entry?;
                self.append(&Run::new(run.site, run.table, at, run.stride, &key))?;
            }
        }
        self.while_expiring(|| {
            self.connection.execute(sql::LOG_INDEX_KEYS)?;
            self.connection.execute(sql::LOG_INDEX_RUNS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: u64) -> Position {
        Position {
            version: DbVersion(1),
            seq: Seq(seq),
        }
    }

    #[test]
    fn consecutive_rowids_join_a_run_and_others_do_not() {
        let (site, table) = (SiteOrdinal::LOCAL, TableId(1));
        let mut run = Run::new(site, table, at(0), 4, &Key::Rowid(7));
        assert!(run.extend(site, table, at(4), 4, &Key::Rowid(8)));
        assert!(
            !run.extend(site, table, at(8), 4, &Key::Rowid(10)),
            "not the next key"
        );
        assert!(
            !run.extend(site, table, at(9), 4, &Key::Rowid(9)),
            "not the next seq"
        );
        assert!(
            !run.extend(SiteOrdinal(1), table, at(8), 4, &Key::Rowid(9)),
            "another site"
        );
        assert!(
            !run.extend(site, TableId(2), at(8), 4, &Key::Rowid(9)),
            "another table"
        );
        assert!(
            !run.extend(site, table, at(8), 3, &Key::Rowid(9)),
            "another stride"
        );
        let keys: Vec<_> = run
            .split()
            .map(|entry| entry.map(|(at, key)| (at.seq.0, key)))
            .collect();
        assert_eq!(keys, [Ok((0, Key::Rowid(7))), Ok((4, Key::Rowid(8)))]);
    }

    #[test]
    fn a_run_that_loses_keys_keeps_the_positions_of_the_others() {
        let (site, table) = (SiteOrdinal::LOCAL, TableId(1));
        let mut run = Run::new(site, table, at(10), 2, &Key::Rowid(5));
        for index in 1..6 {
            assert!(run.extend(
                site,
                table,
                at(10 + 2 * index),
                2,
                &Key::Rowid(5 + index as i64)
            ));
        }
        assert_eq!(run.index_of(at(14)), Some(2));
        assert_eq!(run.index_of(at(15)), None, "between two keys");
        assert_eq!(run.index_of(at(22)), None, "past the end");
        let left = run.without(&[0, 2, 3]).unwrap();
        let keys: Vec<_> = left
            .iter()
            .flat_map(|run| run.split())
            .collect::<Result<_>>()
            .unwrap();
        assert_eq!(
            keys,
            [
                (at(12), Key::Rowid(6)),
                (at(18), Key::Rowid(9)),
                (at(20), Key::Rowid(10))
            ]
        );
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn the_last_rowid_ends_a_run() {
        let (site, table) = (SiteOrdinal::LOCAL, TableId(1));
        let mut run = Run::new(site, table, at(0), 1, &Key::Rowid(i64::MAX));
        assert!(!run.extend(site, table, at(1), 1, &Key::Rowid(i64::MIN)));
    }

    #[test]
    fn packed_keys_come_apart_again_and_stay_in_their_page() {
        let (site, table) = (SiteOrdinal::LOCAL, TableId(1));
        let packed = |n: i64| {
            Key::Packed(key::pack(
                [ValueRef::Integer(n), ValueRef::Text(b"abc")].into_iter(),
            ))
        };
        let mut run = Run::new(site, table, at(0), 1, &packed(0));
        let mut count = 1;
        while run.extend(site, table, at(count), 1, &packed(count as i64)) {
            count += 1;
        }
        let RunKeys::Packed(bytes) = &run.keys else {
            unreachable!()
        };
        assert!(bytes.len() <= RUN_BYTES_MAX && bytes.len() > RUN_BYTES_MAX - 20);
        let keys: Result<Vec<Key>> = run.split().map(|entry| entry.map(|(_, key)| key)).collect();
        assert_eq!(keys, Ok((0..count as i64).map(packed).collect()));
    }
}
