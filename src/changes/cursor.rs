//! A scan of `crsql_changes`.
//!
//! ```text
//! rows of the log --split--> (position, key) --record, row--> the cells that this entry still speaks for
//! ```
//! The scan ends where the log ended when it began, so that a program can write while it reads.

use super::plan::Search;
use crate::crdt::change::column;
use crate::crdt::change::{CausalLength, Position, SENTINEL, SiteOrdinal};
use crate::crdt::value::{Value, ValueRef};
use crate::entry_changes::{Emitted, collect};
use crate::error::Result;
use crate::schema::crr::slot;
use crate::schema::{Crr, Key};
use crate::sqlite::Statement;
use crate::sqlite::table::Cursor;
use crate::sqlite::value::{Arguments, Context};
use crate::state::State;
use crate::store::Slot;
use crate::store::log::{Run, RunKeys};
use hashbrown::HashMap;
use std::rc::Rc;

/// The keys of the log row that the scan is in.
struct OpenRun {
    run: Run,
    next: u64,
    keys: Vec<Key>,
}

/// The table that the scan is in, with the statement that reads its rows.
struct OpenTable {
    crr: Rc<Crr>,
    rows: Statement,
    /// No row with a greater key has a record
    last_clock_key: Option<Key>,
}

/// The entry that the scan is at, and what it still says.
#[derive(Default)]
struct Entry {
    pk: Vec<u8>,
    cl: CausalLength,
    version: i64,
    changes: Vec<Emitted>,
    next: usize,
}

/// A scan of `crsql_changes`.
pub struct ChangesCursor {
    state: Rc<State>,
    search: Option<Search>,
    scan: Option<(Slot, Statement)>,
    end: Option<Position>,
    run: Option<OpenRun>,
    table: Option<OpenTable>,
    entry: Entry,
    sites: HashMap<SiteOrdinal, Vec<u8>>,
    site: SiteOrdinal,
    rowid: i64,
}

impl ChangesCursor {
    pub(super) fn new(state: Rc<State>) -> ChangesCursor {
        ChangesCursor {
            state,
            search: None,
            scan: None,
            end: None,
            run: None,
            table: None,
            entry: Entry::default(),
            sites: HashMap::new(),
            site: SiteOrdinal::LOCAL,
            rowid: 0,
        }
    }

    fn close(&mut self) {
        self.close_table();
        if let Some((slot, statement)) = self.scan.take() {
            self.state.store.give_back(slot, statement);
        }
        self.run = None;
        self.end = None;
        self.entry = Entry::default();
    }

    fn close_table(&mut self) {
        if let Some(table) = self.table.take() {
            table.crr.statements.give_back(slot::ROW_GET, table.rows);
        }
    }

    /// Starts to scan the log and goes to the first change.
    fn start(&mut self, search: Search) -> Result<()> {
        self.state.flush_keeping_rowid()?;
        let (low, high) = (search.versions.low, search.versions.high);
        let slot = if low == high {
            Slot::LogScanWithin
        } else {
            Slot::LogScan
        };
        let mut scan = self.state.store.take(slot)?;
        scan.bind(1, ValueRef::Integer(low))?;
        match slot {
            Slot::LogScanWithin => {
                scan.bind(2, ValueRef::Integer(search.seqs.low))?;
                scan.bind(3, ValueRef::Integer(search.seqs.high))?;
            }
            _ => scan.bind(2, ValueRef::Integer(high))?,
        }
        self.scan = Some((slot, scan));
        self.search = Some(search);
        self.advance()
    }

    /// Goes on until an entry says something, or to the end.
    fn advance(&mut self) -> Result<()> {
        loop {
            let Some((place, key)) = self.next_key()? else {
                if !self.next_run()? {
                    self.close();
                    return Ok(());
                }
                continue;
            };
            self.read_entry(place, &key)?;
            if !self.entry.changes.is_empty() {
                return Ok(());
            }
        }
    }

    /// The next row of the log that the search may want.
    fn next_run(&mut self) -> Result<bool> {
        let (Some((_, scan)), Some(search)) = (&mut self.scan, &self.search) else {
            return Ok(false);
        };
        while scan.step()? {
            let run = Run::read(scan)?;
            let end = match self.end {
                Some(end) => end,
                None => *self
                    .end
                    .insert(self.state.store.last_position()?.unwrap_or(run.at)),
            };
            if run.at > end {
                return Ok(false);
            }
            if !self.sites.contains_key(&run.site) {
                let id = self.state.store.site_id(run.site)?;
                self.sites.insert(run.site, id);
            }
            let site = self.sites.get(&run.site);
            let is_excluded = search.site.is_some() && search.site.as_ref() != site
                || search.not_site.is_some() && search.not_site.as_ref() == site;
            if is_excluded || !open_table(&mut self.table, &self.state, search, &run)? {
                continue;
            }
            self.site = run.site;
            let next = (search.seqs.low as u64).saturating_sub(run.at.seq.0) / run.stride.max(1);
            let next = if search.versions.low == search.versions.high {
                next
            } else {
                0
            };
            let keys = match &run.keys {
                RunKeys::Rowids(_) => Vec::new(),
                RunKeys::Packed(_) => run
                    .split()
                    .map(|entry| entry.map(|(_, key)| key))
                    .collect::<Result<_>>()?,
            };
            self.run = Some(OpenRun { run, next, keys });
            return Ok(true);
        }
        Ok(false)
    }

    /// The next key of the run, with its position and the seqs that it reserves.
    fn next_key(&mut self) -> Result<Option<((Position, u64), Key)>> {
        let Some(open) = &mut self.run else {
            return Ok(None);
        };
        if open.next >= open.run.count {
            self.run = None;
            return Ok(None);
        }
        let index = open.next;
        open.next += 1;
        let key = match open.run.keys {
            RunKeys::Rowids(first) => Key::Rowid(first.wrapping_add_unsigned(index)),
            RunKeys::Packed(_) => open.keys[index as usize].clone(),
        };
        Ok(Some(((open.run.position(index), open.run.stride), key)))
    }

    /// Reads what the entry still says about its row.
    fn read_entry(&mut self, (at, stride): (Position, u64), key: &Key) -> Result<()> {
        let entry = &mut self.entry;
        entry.changes.clear();
        entry.next = 0;
        let Some(table) = &mut self.table else {
            return Ok(());
        };
        let pk = key.packed();
        if self
            .search
            .as_ref()
            .is_some_and(|search| search.pk.as_ref().is_some_and(|sought| *sought != pk))
        {
            return Ok(());
        }
        if self.state.has_unwritten() {
            // The program writes while it reads.
            self.state.flush_keeping_rowid()?;
            table.last_clock_key = self.state.store.last_clock_key(&table.crr)?;
        }
        let crr = &table.crr;
        let may_have_clock = table
            .last_clock_key
            .as_ref()
            .is_some_and(|last| key <= last);
        let clock = if may_have_clock {
            self.state.store.clock(crr, key)?
        } else {
            None
        };
        collect(crr, clock.as_ref(), (at, stride), &mut entry.changes);
        entry.cl = clock
            .as_ref()
            .map_or(CausalLength::FIRST_LIFE, |clock| clock.cl);
        if !entry.changes.is_empty() && entry.cl.is_live() {
            table.rows.reset();
            let is_there = match key {
                Key::Rowid(rowid) => {
                    table.rows.bind(1, ValueRef::Integer(*rowid))?;
                    table.rows.step()?
                }
                Key::Packed(_) => {
                    let values = crr.key_values(key)?;
                    table.rows.bind_all(values.iter().map(Value::as_ref))?;
                    table.rows.step()?
                }
            };
            if !is_there {
                entry.changes.clear();
            }
        }
        entry.pk = pk;
        entry.version = at.version.to_sql();
        Ok(())
    }
}

/// Opens the table of a log row; false if it is gone or not sought.
fn open_table(
    open: &mut Option<OpenTable>,
    state: &State,
    search: &Search,
    run: &Run,
) -> Result<bool> {
    if open.as_ref().is_none_or(|table| table.crr.id != run.table) {
        if let Some(table) = open.take() {
            table.crr.statements.give_back(slot::ROW_GET, table.rows);
        }
        let Some(crr) = state.table(run.table)? else {
            return Ok(false);
        };
        if search
            .table
            .as_ref()
            .is_some_and(|sought| *sought != crr.name)
        {
            return Ok(false);
        }
        let rows = crr
            .statements
            .take(slot::ROW_GET, state.store.connection, || crr.row_get_sql())?;
        let last_clock_key = state.store.last_clock_key(&crr)?;
        *open = Some(OpenTable {
            crr,
            rows,
            last_clock_key,
        });
    }
    let name = open.as_ref().map(|table| table.crr.name.as_str());
    Ok(search
        .table
        .as_deref()
        .is_none_or(|sought| Some(sought) == name))
}

impl Cursor for ChangesCursor {
    fn filter(&mut self, _plan: i32, plan_text: &str, arguments: Arguments<'_>) -> Result<()> {
        self.close();
        self.rowid = 1;
        let search = Search::read(plan_text, arguments);
        if search.versions.is_empty() || search.seqs.is_empty() {
            return Ok(());
        }
        let state = Rc::clone(&self.state);
        state.or_empty(|| self.start(search))
    }

    fn next(&mut self) -> Result<()> {
        self.rowid += 1;
        self.entry.next += 1;
        if self.entry.next < self.entry.changes.len() {
            return Ok(());
        }
        self.advance()
    }

    fn is_at_end(&self) -> bool {
        self.entry.changes.is_empty()
    }

    fn column(&self, column: usize, context: Context) -> Result<()> {
        let (Some(table), Some(change)) = (&self.table, self.entry.changes.get(self.entry.next))
        else {
            return Ok(());
        };
        let value = match (column, change.column) {
            (column::TABLE, _) => ValueRef::Text(table.crr.name.as_bytes()),
            (column::PK, _) => ValueRef::Blob(&self.entry.pk),
            (column::CID, None) => ValueRef::Text(SENTINEL.as_bytes()),
            (column::CID, Some(index)) => ValueRef::Text(table.crr.columns[index].name.as_bytes()),
            (column::VAL, Some(index)) => {
                context.result_column(&table.rows, index);
                return Ok(());
            }
            (column::COL_VERSION, _) => ValueRef::Integer(change.version as i64),
            (column::DB_VERSION, _) => ValueRef::Integer(self.entry.version),
            (column::SITE_ID, _) => self
                .sites
                .get(&self.site)
                .map_or(ValueRef::Null, |site| ValueRef::Blob(site)),
            (column::CL, _) => ValueRef::Integer(self.entry.cl.to_sql()),
            (column::SEQ, _) => ValueRef::Integer(change.seq.to_sql()),
            _ => ValueRef::Null,
        };
        context.result(value);
        Ok(())
    }

    fn rowid(&self) -> i64 {
        self.rowid
    }
}

impl Drop for ChangesCursor {
    fn drop(&mut self) {
        self.close();
    }
}
