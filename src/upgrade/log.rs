//! Writing the log: every entry at its old place, or, where that is taken, after the last of its version.

use super::spool::{Spool, SpooledEntry};
use crate::crdt::change::{DbVersion, Position, Seq, SiteOrdinal, TableId};
use crate::error::Result;
use crate::schema::{Crr, Key};
use crate::store::Store;
use crate::store::log::Run;
use hashbrown::HashMap;

/// Appends entries to the log, joined into runs.
pub struct LogWriter<'a> {
    store: &'a Store,
    joins_packed: bool,
    open: Option<Run>,
}

impl<'a> LogWriter<'a> {
    /// `joins_packed` says whether packed keys may share a row of the log.
    pub fn new(store: &'a Store, joins_packed: bool) -> LogWriter<'a> {
        LogWriter {
            store,
            joins_packed,
            open: None,
        }
    }

    fn push(
        &mut self,
        site: SiteOrdinal,
        table: TableId,
        at: Position,
        stride: u64,
        key: &Key,
    ) -> Result<()> {
        let may_join = self.joins_packed || matches!(key, Key::Rowid(_));
        if may_join
            && let Some(run) = &mut self.open
            && run.extend(site, table, at, stride, key)
        {
            return Ok(());
        }
        match self.open.replace(Run::new(site, table, at, stride, key)) {
            Some(full) => self.store.append(&full),
            None => Ok(()),
        }
    }

    /// Writes all entries of the spool, and gives for each table how many changes have another seq now.
    pub fn write_spool(&mut self, spool: &Spool) -> Result<HashMap<TableId, u64>> {
        let mut moved = HashMap::new();
        let mut waiting = 0_u64;
        let mut next = Position {
            version: DbVersion(0),
            seq: Seq(0),
        };
        let mut entries = spool.entries()?;
        while entries.step()? {
            let entry = SpooledEntry::read(&entries)?;
            let at = entry.event.at;
            if at.version != next.version {
                if waiting > 0 {
                    self.write_moved(spool, next)?;
                    waiting = 0;
                }
                next = Position { seq: Seq(0), ..at };
            }
            if at < next {
                spool.put_moved(&entry)?;
                waiting += 1;
                *moved.entry(entry.table).or_default() += entry.stride;
                continue;
            }
            self.push_entry(&entry, at)?;
            next.seq = at.seq.plus(entry.stride);
        }
        if waiting > 0 {
            self.write_moved(spool, next)?;
        }
        Ok(moved)
    }

    fn push_entry(&mut self, entry: &SpooledEntry, at: Position) -> Result<()> {
        let site = entry.event.site;
        self.push(site, entry.table, at, entry.stride, &entry.key)
    }

    fn write_moved(&mut self, spool: &Spool, mut next: Position) -> Result<()> {
        let mut entries = spool.moved()?;
        while entries.step()? {
            let entry = SpooledEntry::read(&entries)?;
            self.push_entry(&entry, next)?;
            if let Some((record, place)) = entry.record {
                spool.move_part(record, place, next)?;
            }
            next.seq = next.seq.plus(entry.stride);
        }
        spool.forget_moved()
    }

    /// Records a row as inserted here, and gives the place after it.
    pub fn insert(&mut self, crr: &Crr, key: &Key, at: Position) -> Result<Position> {
        let stride = crr.insert_stride();
        self.push(SiteOrdinal::LOCAL, crr.id, at, stride, key)?;
        Ok(Position {
            seq: at.seq.plus(stride),
            ..at
        })
    }

    /// Writes the last run.
    pub fn finish(self) -> Result<()> {
        self.open.map_or(Ok(()), |run| self.store.append(&run))
    }
}
