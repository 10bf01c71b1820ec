//! The log by itself: whether each row of it can be one, and whether they keep apart.

use super::problem::Problem;
use super::registry::Registered;
use crate::crdt::change::{COUNTER_MAX, TableId};
use crate::crdt::key;
use crate::crdt::value::ValueRef;
use crate::error::Result;
use crate::schema::Crr;
use crate::sql;
use crate::sqlite::{Connection, Statement};
use hashbrown::{HashMap, HashSet};
use std::rc::Rc;

const DAMAGED: &str = "log damaged";

const RESTORE: &str = "restore the file, or rebuild it from a peer";

/// What makes a row of the log unreadable, if anything does.
pub fn defect(row: &Statement, crr: Option<&Crr>) -> Option<&'static str> {
    let (version, seq) = (row.integer(0), row.integer(1));
    let (site, keys, stride) = (row.integer(2), row.integer(5), row.integer(6));
    if !(1..=COUNTER_MAX).contains(&version) || seq < 0 || site < 0 {
        return Some("its version, seq or site is out of range");
    }
    let end = keys
        .checked_mul(stride)
        .and_then(|reserved| seq.checked_add(reserved));
    if keys < 1 || stride < 1 || end.is_none() {
        return Some("its number of keys or its stride is out of range");
    }
    let is_sound = match row.value(4) {
        ValueRef::Integer(first) => first.checked_add(keys - 1).is_some(),
        ValueRef::Blob(mut packed) => {
            let mut count = 0;
            while let Ok((_, rest)) = key::split_first(packed) {
                (packed, count) = (rest, count + 1);
            }
            packed.is_empty() && count == keys
        }
        _ => false,
    };
    if !is_sound {
        return Some("its keys can't be read");
    }
    let is_rowid = matches!(row.value(4), ValueRef::Integer(_));
    crr.is_some_and(|crr| crr.is_rowid_keyed != is_rowid)
        .then_some("its key is of another kind than those of the table")
}

/// A check of the log, row by row.
#[derive(Debug)]
pub struct LogCheck {
    rows: Statement,
    tables: HashMap<TableId, Option<Rc<Crr>>>,
    sites: Rc<HashSet<i64>>,
    /// Version and end of the row before
    previous: Option<(i64, i64)>,
}

impl LogCheck {
    /// A check of the whole log, or of that of one table.
    pub fn start(
        connection: Connection,
        tables: &[Registered],
        sites: &Rc<HashSet<i64>>,
        only: Option<TableId>,
    ) -> Result<LogCheck> {
        let rows = match only {
            None => connection.prepare(sql::REPAIR_LOG)?,
            Some(id) => {
                let mut rows = connection.prepare(sql::REPAIR_LOG_OF)?;
                rows.bind(1, ValueRef::Integer(id.0))?;
                rows
            }
        };
        let tables = tables.iter().map(|table| (table.id, table.crr.clone()));
        Ok(LogCheck {
            rows,
            tables: tables.collect(),
            sites: Rc::clone(sites),
            previous: None,
        })
    }

    /// The next problem; none at the end of the log.
    pub fn next(&mut self) -> Result<Option<Problem>> {
        while self.rows.step()? {
            if let Some(problem) = self.examine() {
                return Ok(Some(problem));
            }
        }
        Ok(None)
    }

    fn examine(&mut self) -> Option<Problem> {
        let row = &self.rows;
        let (version, seq) = (row.integer(0), row.integer(1));
        let table = self.tables.get(&TableId(row.integer(3)));
        let crr = table.and_then(Option::as_deref);
        let problem = |kind, detail: String| {
            let detail = format!("the log row at db_version {version}, seq {seq} {detail}");
            Some(match crr {
                Some(crr) => Problem::of_table(crr, kind, detail),
                None => Problem::of_database(kind, detail),
            })
        };
        let previous = self.previous;
        if let Some(defect) = defect(row, crr) {
            return problem(DAMAGED, format!("is damaged: {defect}; {RESTORE}"));
        }
        let end = seq.saturating_add(row.integer(5).saturating_mul(row.integer(6)));
        self.previous = Some((version, end));
        if table.is_none() {
            let id = row.integer(3);
            return problem(
                "unknown table",
                format!("is of table {id}, which crsql_tables doesn't have; {RESTORE}"),
            );
        }
        if !self.sites.contains(&row.integer(2)) {
            let site = row.integer(2);
            return problem(
                "unknown site",
                format!("is of site {site}, which crsql_site_id doesn't have; put its row back"),
            );
        }
        if previous.is_some_and(|(before, end)| before == version && end > seq) {
            return problem(
                DAMAGED,
                format!("begins before the one before it ends; {RESTORE}"),
            );
        }
        None
    }
}
