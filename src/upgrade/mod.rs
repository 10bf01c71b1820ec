//! Taking over databases of cr-sqlite, in place: `crsql_upgrade`.
//!
//! ```text
//! sites -> for each table: clocks --row after row--> spool (temporary tables)
//!       -> spool --in the order of the log--> crsql_log; positions that moved --> records in the spool
//!       -> rows without clocks --> crsql_log, at a new version
//!       -> records --in the order of their keys--> crsql_rows_<id>; old tables and triggers are dropped
//! ```
//! All in one savepoint: whatever fails leaves the file as it was.

mod leftovers;
mod log;
mod reader;
mod report;
mod row;
mod sites;
mod spool;
mod tables;

use crate::convert::registration;
use crate::crdt::change::{DbVersion, Position, Seq};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::schema::triggers::Phase;
use crate::sqlite::value::Arguments;
use crate::state::State;
use crate::state::settings::MERGE_EQUAL_VALUES;
use crate::state::transaction::VERSION_FLOOR;
use crate::store::Store;
use crate::store::foreign::Layout;
use log::LogWriter;
use reader::Reader;
use report::{Report, nothing_to_do};
use spool::Spool;
use std::rc::Rc;
use tables::OldTable;

/// `crsql_upgrade()` -> what was done, as JSON
pub fn upgrade(state: &Rc<State>, arguments: Arguments<'_>) -> Result<Value> {
    if !arguments.is_empty() {
        return Err(Error::Usage(
            "crsql_upgrade() takes no arguments".to_owned(),
        ));
    }
    let json = match state.store.foreign_layout()? {
        None => nothing_to_do(),
        Some(layout @ (Layout::Packed | Layout::Unknown(_))) => return Err(layout.refusal()),
        Some(layout) => {
            spool::drop_temporary(state.store.connection)?;
            let report = state
                .store
                .atomically(|| take_over(state, &layout))
                .map_err(|error| error.during("upgrading this database, which stays as it was"))?;
            // The upgrade is done. What can't be dropped now goes with the connection, or before the next one.
            let _ = spool::drop_temporary(state.store.connection);
            report.json()
        }
    };
    Ok(Value::Text(json.into_bytes()))
}

/// What triggers of cr-sqlite call. Where the file was converted they are gone.
pub fn replaced(_state: &Rc<State>, _arguments: Arguments<'_>) -> Result<Value> {
    Err(Error::Usage(
        "this function was for the triggers that cr-sqlite made; crsql_upgrade() drops them, so drop the trigger \
         that still calls it"
            .to_owned(),
    ))
}

/// A table of the old layout and what it is registered as.
struct Registered<'a> {
    old: &'a OldTable,
    crr: Crr,
}

fn take_over(state: &State, layout: &Layout) -> Result<Report> {
    let store = &state.store;
    state.enlist()?;
    let mut report = Report {
        layout: layout.name(),
        release: store.foreign_release()?,
        ..Report::default()
    };
    let old = tables::read_all(store, layout)?;
    for table in &old {
        match &table.declared {
            Some(declared) => report.warnings.extend(table.check(store, declared)?),
            None => report.dropped_tables.push(table.name.clone()),
        }
    }
    sites::take_over(store, layout, &old)?;
    let identity = store.take_over()?;
    state.check_layout()?;
    report.site = identity.site;
    normalize_settings(store)?;
    let own = sites::own_version(store, &old)?;
    let mut latest = own;
    if *layout == Layout::PerOrigin {
        report.restamped_versions = sites::stamp_foreign_versions(store, &old, own)?;
        latest = DbVersion(own.0 + report.restamped_versions);
    }
    let registered = register(state, &old)?;
    let latest = move_clocks(state, &registered, latest, &mut report)?;
    report.db_version = latest.to_sql();
    store.set_setting(VERSION_FLOOR, ValueRef::Integer(latest.to_sql()))?;
    leftovers::remove(store.connection, &old)?;
    for table in &registered {
        registration::replace_triggers(state, &table.crr, Phase::Steady)?;
    }
    if state.merges_equal_values()? {
        store.make_keys_findable()?;
    }
    Ok(report)
}

fn register<'a>(state: &State, old: &'a [OldTable]) -> Result<Vec<Registered<'a>>> {
    old.iter()
        .filter_map(|table| Some((table, table.declared.as_ref()?)))
        .map(|(old, declared)| {
            let crr = registration::register(state, declared)?;
            Ok(Registered { old, crr })
        })
        .collect()
}

/// Writes log and records, and gives the version of the database afterwards.
fn move_clocks(
    state: &State,
    tables: &[Registered<'_>],
    mut latest: DbVersion,
    report: &mut Report,
) -> Result<DbVersion> {
    let store = &state.store;
    let spool = Spool::new(store)?;
    let mut readers = Vec::with_capacity(tables.len());
    let mut records = Vec::with_capacity(tables.len());
    for table in tables {
        let first = spool.records();
        let mut reader = Reader::new(store, &table.crr, table.old, &spool);
        reader.read()?;
        sites::check(store, &table.old.clock, &reader.sites)?;
        records.push((first, spool.records()));
        readers.push(reader);
    }
    let mut log = LogWriter::new(store, !state.merges_equal_values()?);
    let moved = log.write_spool(&spool)?;
    let mut at = Position {
        version: latest.next(),
        seq: Seq(0),
    };
    for (reader, table) in readers.iter_mut().zip(tables) {
        let found = reader.unrecorded(|key| {
            at = log.insert(&table.crr, key, at)?;
            Ok(())
        })?;
        reader.report.rows += found;
        reader.report.pristine_rows += found;
        reader.report.back_filled_rows = found;
        reader.report.cells += found * table.crr.columns.len() as u64;
        reader.report.moved_seqs = moved.get(&table.crr.id).copied().unwrap_or_default();
    }
    log.finish()?;
    if at.seq > Seq(0) {
        latest = at.version;
    }
    report
        .tables
        .extend(readers.into_iter().map(|reader| reader.report));
    for (table, (first, end)) in tables.iter().zip(records) {
        spool.store_records(&table.crr, first, end)?;
    }
    Ok(latest)
}

/// cr-sqlite stores whatever it is given, and reads the integer 1 as on.
fn normalize_settings(store: &Store) -> Result<()> {
    let is_on = match store.setting(MERGE_EQUAL_VALUES)? {
        None | Some(Value::Integer(0 | 1)) => return Ok(()),
        Some(Value::Text(text)) => text == b"1",
        Some(Value::Real(number)) => (1.0..2.0).contains(&number),
        Some(_) => false,
    };
    store.set_setting(MERGE_EQUAL_VALUES, ValueRef::Integer(i64::from(is_on)))
}
