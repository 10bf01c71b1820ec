//! Gathering changes from the log into changesets.
//!
//! Each call scans the log from a position on and ends where the changeset is full, at the end of a transaction
//! if one fits. So nothing is held between two changesets, and what one takes in memory does not depend on the
//! size of the database.

use super::source::Source;
use crate::crdt::change::{DbVersion, Position, Seq};
use crate::crdt::changeset::{Origin, Part, Writer};
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::state::State;
use crate::store::Slot;
use crate::store::log::Run;

/// Which changes are asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Those after this version, or after this seq of it
    pub(super) after: (DbVersion, Option<Seq>),
    /// Those of other authors
    pub(super) not_site: Option<Vec<u8>>,
    /// About so many bytes a changeset
    pub(super) bytes_max: usize,
    /// How hard to compress; 0 is not at all
    pub(super) level: i32,
}

/// A changeset, and what the header says of it.
pub(super) struct Gathered {
    pub(super) data: Vec<u8>,
    pub(super) first: DbVersion,
    pub(super) last: Position,
    pub(super) part: Part,
    pub(super) is_empty: bool,
    /// Whether it reaches to the end of the log
    pub(super) is_last: bool,
}

/// A changeset that is being gathered.
struct Gathering<'a> {
    wanted: &'a Wanted,
    source: Source<'a>,
    writer: Writer,
    /// The version of its first change
    first: Option<DbVersion>,
    /// The end of the last entry that was passed
    passed: Position,
    /// The end of the last entry before the mark
    marked: Position,
}

/// How a changeset ends.
struct End {
    last: Position,
    is_cut: bool,
    is_last: bool,
}

/// Gathers one changeset. `end` is where the log ended when the first one was asked for.
pub(super) fn gather(state: &State, wanted: &Wanted, end: Position) -> Result<Gathered> {
    state.flush_keeping_rowid()?;
    let (after, after_seq) = wanted.after;
    let origin = Origin {
        site: state.site_id()?,
        after: wanted.after,
        level: wanted.level,
    };
    let passed = Position {
        version: after,
        seq: after_seq.unwrap_or_default(),
    };
    let mut gathering = Gathering {
        wanted,
        source: Source::new(state),
        writer: Writer::new(origin),
        first: None,
        passed,
        marked: passed,
    };
    let ending = match end == Position::default() {
        true => End {
            last: passed,
            is_cut: false,
            is_last: true,
        },
        false => {
            let mut scan = state.store.take(Slot::LogScanFrom)?;
            let outcome = gathering.run(&mut scan, end);
            state.store.give_back(Slot::LogScanFrom, scan);
            outcome?
        }
    };
    let is_empty = gathering.writer.is_empty();
    let first = gathering.first.unwrap_or(ending.last.version);
    let continues = after_seq.is_some() && first == after;
    let part = match (ending.is_cut, continues) {
        (true, _) => Part::More,
        (false, true) => Part::Last,
        (false, false) => Part::Whole,
    };
    Ok(Gathered {
        data: gathering.writer.finish(ending.last, part),
        first,
        last: ending.last,
        part,
        is_empty,
        is_last: ending.is_last,
    })
}

impl Gathering<'_> {
    fn run(&mut self, scan: &mut crate::sqlite::Statement, end: Position) -> Result<End> {
        let (after, after_seq) = self.wanted.after;
        let (version, seq) = match after_seq {
            Some(seq) => (after, seq),
            None => (after.next(), Seq(0)),
        };
        scan.bind_all([version.to_sql(), seq.to_sql()].map(ValueRef::Integer))?;
        while scan.step()? {
            let run = Run::read(scan)?;
            if run.at > end {
                break;
            }
            if run.at.version != self.passed.version
                && let Some(ended) = self.end_version()
            {
                return Ok(ended);
            }
            if !self
                .source
                .open(&run, self.wanted.not_site.as_deref(), &mut self.writer)?
            {
                self.passed = self.passed.max(run.end());
                continue;
            }
            while let Some((at, key)) = self.source.next_entry()? {
                if after_seq.is_some_and(|seq| at.version == after && at.seq <= seq) {
                    continue;
                }
                if self.is_first_version(at.version) {
                    self.mark();
                }
                self.passed = Position {
                    seq: at.seq.plus(run.stride.max(1) - 1),
                    ..at
                };
                if self.source.write(at, key, &mut self.writer)? {
                    self.first.get_or_insert(at.version);
                    if let Some(ended) = self.overflow(at.version) {
                        return Ok(ended);
                    }
                }
            }
        }
        Ok(End {
            last: self.passed.max(end),
            is_cut: false,
            is_last: true,
        })
    }

    /// Whether the changeset holds nothing of an earlier version.
    fn is_first_version(&self, version: DbVersion) -> bool {
        self.first.is_none_or(|first| first == version)
    }

    fn mark(&mut self) {
        self.writer.mark();
        self.marked = self.passed;
    }

    /// A transaction is over. Ends the changeset where it is full, or where a part may be followed by nothing else.
    fn end_version(&mut self) -> Option<End> {
        self.mark();
        let (after, after_seq) = self.wanted.after;
        let is_rest = after_seq.is_some() && self.first == Some(after);
        let is_full = self.writer.bytes() >= self.wanted.bytes_max && self.first.is_some();
        (is_rest || is_full).then_some(End {
            last: self.passed,
            is_cut: false,
            is_last: false,
        })
    }

    /// Ends the changeset before the row that made it too large, or before the transaction of that row.
    fn overflow(&mut self, version: DbVersion) -> Option<End> {
        if self.writer.bytes() <= self.wanted.bytes_max || !self.writer.has_marked() {
            return None;
        }
        self.writer.leave_out_unmarked();
        Some(End {
            last: self.marked,
            is_cut: self.first == Some(version),
            is_last: false,
        })
    }
}
