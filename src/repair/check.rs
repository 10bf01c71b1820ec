//! `crsql_check`: finds rows and clocks that disagree. Reads only, and holds one row at a time.

use super::keys::has_records;
use super::log::LogCheck;
use super::problem::Problem;
use super::registry::{self, Registered};
use super::row::{Record, RowFacts, RowStream};
use super::triggers;
use crate::crdt::change::{COUNTER_MAX, SITE_ID_BYTES_MAX, SiteOrdinal, TableId};
use crate::crdt::value::{Value, ValueRef};
use crate::error::Result;
use crate::schema::Crr;
use crate::sql;
use crate::state::State;
use crate::state::transaction::{SHARED_SITE_ID, VERSION_FLOOR};
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;
use std::rc::Rc;

/// What comes next.
#[derive(Debug)]
enum Stage {
    Log(LogCheck),
    StartRows,
    Rows(RowStream),
    Done,
}

/// A running check.
#[derive(Debug)]
pub struct Check {
    only: Option<Rc<Crr>>,
    tables: HashMap<TableId, Rc<Crr>>,
    sites: Rc<HashSet<i64>>,
    found: VecDeque<Problem>,
    stage: Stage,
}

impl Check {
    /// A check of the database, or of one table, by name.
    pub fn start(state: &State, only: Option<&str>) -> Result<Check> {
        state.flush_keeping_rowid()?;
        let mut check = Check {
            only: None,
            tables: HashMap::new(),
            sites: Rc::default(),
            found: VecDeque::new(),
            stage: Stage::Done,
        };
        if only.is_none() && !state.store.is_bootstrapped()? {
            return Ok(check);
        }
        let mut registered = registry::registered(state)?;
        if let Some(name) = only {
            let crr = registry::by_name(state, name)?;
            registered.retain(|table| table.id == crr.id);
            check.only = Some(crr);
        }
        check.found.extend(connection_problems(state));
        check.sites = Rc::new(check.read_sites(state)?);
        if check.only.is_none() {
            check.found.extend(database_problems(state)?);
        }
        for crr in registered.iter().filter_map(|table| table.crr.as_ref()) {
            check.found.extend(table_problems(state, crr)?);
            check.tables.insert(crr.id, Rc::clone(crr));
        }
        check.stage = Stage::Log(check.log(state, &registered)?);
        Ok(check)
    }

    fn log(&self, state: &State, registered: &[Registered]) -> Result<LogCheck> {
        let only = self.only.as_ref().map(|crr| crr.id);
        LogCheck::start(state.store.connection, registered, &self.sites, only)
    }

    /// The next problem; none at the end.
    pub fn next(&mut self, state: &State) -> Result<Option<Problem>> {
        loop {
            if let Some(problem) = self.found.pop_front() {
                return Ok(Some(problem));
            }
            match &mut self.stage {
                Stage::Log(log) => match log.next()? {
                    Some(problem) => return Ok(Some(problem)),
                    None => self.stage = Stage::StartRows,
                },
                Stage::StartRows => {
                    self.stage = Stage::Rows(RowStream::start(state, self.only.as_deref())?);
                }
                Stage::Rows(rows) => match rows.next()? {
                    Some(row) => self.examine(&row),
                    None => self.stage = Stage::Done,
                },
                Stage::Done => return Ok(None),
            }
        }
    }

    fn examine(&mut self, row: &RowFacts) {
        let Some(crr) = self.tables.get(&row.table) else {
            return;
        };
        let Some(key) = &row.key else {
            self.found.push_back(match row.is_there {
                true => Problem::of_table(crr, "unusable key", UNUSABLE_KEY),
                false => Problem::of_table(
                    crr,
                    "record damaged",
                    "a clock record stands under a key that can't be one of this table; restore the file, or delete \
                     the record",
                ),
            });
            return;
        };
        for defect in row.defects(&crr.columns) {
            self.found.push_back(defect.problem(crr, key));
        }
        if let Record::Found(clock) = &row.record {
            let groups = clock.groups.iter().map(|group| group.entry.site);
            let of_sentinel = clock.sentinel.map(|entry| entry.site);
            for SiteOrdinal(site) in groups.chain(of_sentinel) {
                if !self.sites.contains(&(site as i64)) {
                    let detail = format!(
                        "its clock record names the site {site}, which crsql_site_id doesn't have; put its row back"
                    );
                    let problem = Problem::of_row(crr, key, "unknown site", detail);
                    self.found.push_back(problem);
                }
            }
        }
    }

    /// The ordinals of all sites; what is wrong with them is noted.
    fn read_sites(&mut self, state: &State) -> Result<HashSet<i64>> {
        let mut sites = HashSet::new();
        let mut list = state.store.connection.prepare(sql::REPAIR_SITES)?;
        while list.step()? {
            let ordinal = list.integer(0);
            let is_sound = match list.value(1) {
                ValueRef::Blob(id) if ordinal == 0 => id.len() == SITE_ID_BYTES_MAX,
                ValueRef::Blob(id) => (1..=SITE_ID_BYTES_MAX).contains(&id.len()) && ordinal > 0,
                _ => false,
            };
            if is_sound {
                sites.insert(ordinal);
            } else if self.only.is_none() {
                let detail = format!(
                    "the site {ordinal} in crsql_site_id has an id or an ordinal that can't be one; put the right one back"
                );
                self.found
                    .push_back(Problem::of_database("unknown site", detail));
            }
        }
        Ok(sites)
    }
}

/// What is said of a row whose key no peer could take.
pub const UNUSABLE_KEY: &str = "a row has NULL, or text that is not valid UTF-8, in its key, which peers can't take; drop \
     the capture triggers of the table, change that key, and call crsql_adopt";

/// Reasons why this connection records nothing.
fn connection_problems(state: &State) -> Vec<Problem> {
    let mut found = Vec::new();
    if !state.store.connection.runs_triggers() {
        found.push(Problem::of_database(
            "capture off",
            "triggers are turned off on this connection (SQLITE_DBCONFIG_ENABLE_TRIGGER), so that its writes are not \
             recorded; turn them on",
        ));
    }
    if state.sync_bit() != 0 {
        found.push(Problem::of_database(
            "capture off",
            "crsql_internal_sync_bit is set on this connection, so that its writes are not recorded; \
             call crsql_internal_sync_bit(0)",
        ));
    }
    found
}

/// What is wrong with the database as a whole.
fn database_problems(state: &State) -> Result<Vec<Problem>> {
    let connection = state.store.connection;
    let mut found = Vec::new();
    match state.store.setting(VERSION_FLOOR)? {
        None => {}
        Some(Value::Integer(floor)) if (0..=COUNTER_MAX).contains(&floor) => {}
        Some(_) => found.push(Problem::of_database(
            "setting damaged",
            format!(
                "crsql_master holds no version under {VERSION_FLOOR}; put the highest db_version that was ever \
                 given out there"
            ),
        )),
    }
    if let Some(Value::Integer(version)) = state.store.setting(SHARED_SITE_ID)? {
        found.push(Problem::of_database(
            "site id used elsewhere",
            format!(
                "after db_version {version} a merge brought changes that carry this database's site id and were not \
                 known here: the file was copied, or restored from a backup; call crsql_site_id_reset() in the copy"
            ),
        ));
    }
    let mut list = connection.prepare(sql::REPAIR_LEFTOVERS)?;
    while list.step()? {
        let detail = format!(
            "the {} {} belongs to no table in crsql_tables; drop it, or restore the file",
            list.text(0),
            list.text(1)
        );
        found.push(Problem::of_database("unknown table", detail));
    }
    let mut list = connection.prepare(sql::REPAIR_STRAY_COLUMNS)?;
    while list.step()? {
        let detail = format!(
            "crsql_columns has columns of table {}, which crsql_tables doesn't have; restore the file",
            list.integer(0)
        );
        found.push(Problem::of_database("unknown table", detail));
    }
    Ok(found)
}

/// What is wrong with a table as a whole.
fn table_problems(state: &State, crr: &Crr) -> Result<Vec<Problem>> {
    let mut found = triggers::problems(state, crr)?;
    if !has_records(state.store.connection, crr.id)? {
        found.push(Problem::of_table(
            crr,
            "records missing",
            "the table of its clock records is gone; restore the file, or rebuild it from a peer",
        ));
    }
    if !triggers::is_visible(state, crr)?
        && crr.sessions == 0
        && let Err(change) = registry::check_unchanged(state, crr)
    {
        let detail = change.to_string();
        let detail = detail.trim_start_matches("crsql: ");
        found.push(Problem::of_table(crr, "columns differ", detail));
    }
    Ok(found)
}

/// What `crsql_check()` says: `ok`, or how many problems there are of each kind.
pub fn summary(state: &State, only: Option<&str>) -> Result<String> {
    let mut check = Check::start(state, only)?;
    let mut counts: Vec<(&'static str, u64)> = Vec::new();
    while let Some(problem) = check.next(state)? {
        match counts.iter_mut().find(|(kind, _)| *kind == problem.kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((problem.kind, 1)),
        }
    }
    if counts.is_empty() {
        return Ok("ok".to_owned());
    }
    let listed = counts
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"));
    Ok(sql::join(", ", listed))
}
