//! Merging changes of other replicas: `INSERT INTO crsql_changes`.
//!
//! The change is checked and decided on before anything is written; the row in the table is written first, as
//! the only step that a constraint can refuse; the clock follows in memory and is written with its row group.

use crate::crdt::change::{
    COUNTER_MAX, CausalLength, Claim, ColumnId, ColumnVersion, DbVersion, Position, SENTINEL,
    SITE_ID_BYTES_MAX, Seq, SiteOrdinal,
};
use crate::crdt::clock::RowClock;
use crate::crdt::key as packed_key;
use crate::crdt::merge::{EqualValues, Known, Verdict, judge, settles_tie};
use crate::crdt::value::{Affinity, NumericText, Value, ValueRef, numeric_text, whole_integer};
use crate::error::{Error, Result};
use crate::schema::crr::{slot, write_slot};
use crate::schema::{Column, Crr, Key};
use crate::sql::{self, Part, quoted};
use crate::sqlite::Statement;
use crate::sqlite::statement::StatementCache;
use crate::sqlite::value::Arguments;
use crate::state::transaction::Planned;
use crate::state::{HeldRow, State};
use crate::store::Slot;
use std::rc::Rc;

/// The columns of `crsql_changes`, as arguments.
mod argument {
    pub(super) const TABLE: usize = 0;
    pub(super) const PK: usize = 1;
    pub(super) const CID: usize = 2;
    pub(super) const VAL: usize = 3;
    pub(super) const COL_VERSION: usize = 4;
    pub(super) const DB_VERSION: usize = 5;
    pub(super) const SITE_ID: usize = 6;
    pub(super) const CL: usize = 7;
    pub(super) const SEQ: usize = 8;
}

/// A change that was checked against this database.
struct Incoming {
    crr: Rc<Crr>,
    key: Key,
    /// The index in `crr.columns` and the value as the column stores it; none for a sentinel
    cell: Option<(usize, Value)>,
    claim: Claim,
    cl: CausalLength,
    version: DbVersion,
    seq: Seq,
    /// None is this database
    site: Option<Vec<u8>>,
}

/// Merges one change; 0 if it was ignored, else a number that is not 0.
pub fn apply(state: &State, arguments: Arguments<'_>) -> Result<i64> {
    let incoming = read(state, arguments)?;
    let Some(_merging) = state.start_merging() else {
        return Err(Error::Change(
            "a trigger inserted into crsql_changes while a merge was running; merge from the application".to_owned(),
        ));
    };
    let epoch = state.epoch();
    let mut held = match state.take_held(&incoming.crr, &incoming.key)? {
        Some(held) => held,
        None => load(state, &incoming)?,
    };
    let outcome = merge(state, &incoming, &mut held);
    state.hold(held, epoch);
    state.settle();
    let applied = outcome?;
    state.count_impact(applied);
    Ok(if applied == 0 {
        0
    } else {
        state.pending_version()?.to_sql()
    })
}

fn load(state: &State, incoming: &Incoming) -> Result<HeldRow> {
    let (crr, key) = (&incoming.crr, &incoming.key);
    let record = state.find_clock(crr, key)?;
    let exists = run_on_row(
        state,
        crr,
        key,
        (&crr.statements, slot::ROW_EXISTS),
        sql::ROW_EXISTS,
        |find, key| Ok(find.first(key.iter().map(Value::as_ref), |_| ())?.is_some()),
    )?;
    let was_unknown = record.is_none() && !exists;
    let clock = match record {
        Some(clock) => clock,
        None if exists => RowClock::pristine(),
        None => RowClock::unknown(),
    };
    Ok(HeldRow {
        crr: Rc::clone(crr),
        key: key.clone(),
        clock,
        exists,
        was_unknown,
        is_dirty: false,
    })
}

/// Decides and carries out; gives the number of events that were applied.
fn merge(state: &State, incoming: &Incoming, held: &mut HeldRow) -> Result<i64> {
    let column = incoming
        .cell
        .as_ref()
        .map(|(index, _)| &incoming.crr.columns[*index]);
    let known = Known {
        cl: held.clock.cl,
        exists: held.exists,
        cell: column.and_then(|column| held.clock.column_version(column.id)),
    };
    let mut verdict = judge(known, incoming.cl, incoming.claim);
    if verdict == Verdict::Tie {
        let wins = incoming_wins_tie(state, incoming, held)?;
        verdict = if wins {
            Verdict::Write
        } else {
            Verdict::Ignore
        };
    }
    match verdict {
        Verdict::Ignore | Verdict::Tie => Ok(0),
        Verdict::Delete => delete(state, incoming, held),
        Verdict::Revive => revive(state, incoming, held),
        Verdict::Write => write(state, incoming, held, false),
        Verdict::ReviveAndWrite => write(state, incoming, held, true),
    }
}

fn delete(state: &State, incoming: &Incoming, held: &mut HeldRow) -> Result<i64> {
    let (crr, key) = (&incoming.crr, &incoming.key);
    let (planned, site) = (plan(state, incoming, 1)?, ordinal(state, incoming)?);
    if held.exists {
        let slot = (&crr.writes, write_slot::ROW_DELETE);
        let deleted = run_on_row(state, crr, key, slot, sql::ROW_DELETE, |delete, key| {
            delete.run(key.iter().map(Value::as_ref))
        })?;
        if deleted == 0 {
            return Ok(0);
        }
        held.exists = false;
        state.take_note(crr.id, key);
    }
    held.clock
        .start_over(incoming.cl, state.keep(planned), site);
    held.is_dirty = true;
    Ok(1)
}

fn revive(state: &State, incoming: &Incoming, held: &mut HeldRow) -> Result<i64> {
    let (planned, site) = (plan(state, incoming, 1)?, ordinal(state, incoming)?);
    if !held.exists && !insert_row(state, incoming, None)? {
        return Ok(0);
    }
    held.exists = true;
    let at = state.keep(planned);
    held.clock
        .revive(incoming.cl, at, site, incoming.crr.column_ids());
    held.is_dirty = true;
    Ok(1)
}

fn write(state: &State, incoming: &Incoming, held: &mut HeldRow, revives: bool) -> Result<i64> {
    let (Some((index, value)), Claim::Cell(version)) = (&incoming.cell, incoming.claim) else {
        return Err(Error::Internal(
            "a sentinel was to be written to a cell".to_owned(),
        ));
    };
    let events = 1 + u64::from(revives);
    let (planned, site) = (plan(state, incoming, events)?, ordinal(state, incoming)?);
    let is_written = if held.exists {
        update_cell(state, incoming, *index, value)?
    } else {
        insert_row(state, incoming, Some((*index, value)))?
    };
    if !is_written {
        return Ok(0);
    }
    held.exists = true;
    let first = state.keep(planned);
    if revives {
        held.clock
            .revive(incoming.cl, first, site, incoming.crr.column_ids());
    }
    held.clock.cl = incoming.cl;
    let at = Position {
        seq: first.seq.plus(events - 1),
        ..first
    };
    let cell = (incoming.crr.columns[*index].id, version);
    held.clock.set_cells(at, site, std::iter::once(cell));
    held.is_dirty = true;
    Ok(events as i64)
}

/// The place in the log, planned before anything is written: what may fail comes before the row.
fn plan(state: &State, incoming: &Incoming, events: u64) -> Result<Planned> {
    state.plan_merged(incoming.version, incoming.seq, events)
}

fn ordinal(state: &State, incoming: &Incoming) -> Result<SiteOrdinal> {
    match &incoming.site {
        Some(site) => state.site_ordinal(site),
        None => Ok(SiteOrdinal::LOCAL),
    }
}

fn incoming_wins_tie(state: &State, incoming: &Incoming, held: &HeldRow) -> Result<bool> {
    let Some((index, value)) = &incoming.cell else {
        return Ok(false);
    };
    let crr = &incoming.crr;
    let names = sql::join(
        ", ",
        crr.columns
            .iter()
            .map(|column| sql::column_of("t", &column.name)),
    );
    let text = || crr.row_sql(sql::ROW_GET, &[("columns", Part::Sql(&names))]);
    let key = crr.key_values(&incoming.key)?;
    let here = crr
        .statements
        .with(slot::ROW_GET, state.store.connection, text, |get| {
            get.first(key.iter().map(Value::as_ref), |row| {
                row.value(*index).to_owned()
            })
        })?;
    let here = here.unwrap_or(Value::Null);
    if !state.merges_equal_values()? {
        return Ok(settles_tie(
            here.as_ref(),
            value.as_ref(),
            EqualValues::KeepLocal,
        ));
    }
    let (local, held_site) = (
        state.site_id(),
        held_site(state, incoming, held, crr.columns[*index].id)?,
    );
    let equal = match &incoming.site {
        None => EqualValues::KeepLocal,
        Some(site) => EqualValues::LargerSite {
            held: held_site.as_deref().unwrap_or(&local),
            incoming: site,
        },
    };
    Ok(settles_tie(here.as_ref(), value.as_ref(), equal))
}

/// The site that wrote the cell held here; none if it can't be found, as for rows written with capture off.
fn held_site(
    state: &State,
    incoming: &Incoming,
    held: &HeldRow,
    column: ColumnId,
) -> Result<Option<Vec<u8>>> {
    let clock = &held.clock;
    let ordinal = match clock.column_site(column) {
        Some(ordinal) => Some(ordinal),
        None if clock.inherited.contains(&column) => clock.sentinel.map(|entry| entry.site),
        None => {
            state.flush()?;
            let is_other = |at| {
                let is_group = clock.groups.iter().any(|group| group.entry.at == at);
                is_group || clock.sentinel.is_some_and(|entry| entry.at == at)
            };
            state
                .store
                .first_insert_site(incoming.crr.id, &incoming.key, is_other)?
        }
    };
    ordinal
        .map(|ordinal| state.store.site_id(ordinal))
        .transpose()
}

/// Runs a kept statement whose first parameters are the key.
fn run_on_row<T>(
    state: &State,
    crr: &Crr,
    key: &Key,
    (cache, slot): (&StatementCache, usize),
    text: &str,
    work: impl FnOnce(&mut Statement, &[Value]) -> Result<T>,
) -> Result<T> {
    let values = crr.key_values(key)?;
    let text = || crr.row_sql(text, &[]);
    cache
        .with(slot, state.store.connection, text, |statement| {
            work(statement, &values)
        })
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))
}

/// Makes the row, with one cell or bare; false if a trigger of the application ignored it.
fn insert_row(state: &State, incoming: &Incoming, cell: Option<(usize, &Value)>) -> Result<bool> {
    let crr = &incoming.crr;
    let slot = cell.map_or(write_slot::ROW_INSERT_BARE, |(index, _)| {
        write_slot::COLUMNS + 2 * index
    });
    let text = || {
        let column = cell.map(|(index, _)| crr.columns[index].name.as_str());
        let names = sql::join(", ", crr.key_names().chain(column).map(quoted));
        let values = sql::parameters(1, crr.key_columns.len() + usize::from(column.is_some()));
        crr.row_sql(
            sql::ROW_INSERT,
            &[
                ("columns", Part::Sql(&names)),
                ("values", Part::Sql(&values)),
            ],
        )
    };
    let key = crr.key_values(&incoming.key)?;
    let values = key
        .iter()
        .map(Value::as_ref)
        .chain(cell.map(|(_, value)| value.as_ref()));
    let inserted = crr
        .writes
        .with(slot, state.store.connection, text, |insert| {
            insert.run(values)
        })
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))?;
    Ok(inserted > 0)
}

/// Writes a cell of a row; false if a trigger of the application ignored it.
fn update_cell(state: &State, incoming: &Incoming, index: usize, value: &Value) -> Result<bool> {
    let crr = &incoming.crr;
    let text = || {
        let value = format!("?{}", crr.key_columns.len() + 1);
        let column = &crr.columns[index].name;
        crr.row_sql(
            sql::ROW_UPDATE,
            &[("column", Part::Name(column)), ("value", Part::Sql(&value))],
        )
    };
    let key = crr.key_values(&incoming.key)?;
    let values = key.iter().map(Value::as_ref).chain([value.as_ref()]);
    let updated = crr
        .writes
        .with(
            write_slot::COLUMNS + 2 * index + 1,
            state.store.connection,
            text,
            |update| update.run(values),
        )
        .map_err(|error| error.during(format_args!("merging into table {}", quoted(&crr.name))))?;
    Ok(updated > 0)
}

/// Checks a row inserted into `crsql_changes`.
fn read(state: &State, arguments: Arguments<'_>) -> Result<Incoming> {
    let table = read_name(arguments.get(argument::TABLE), "table")?;
    let cid = read_name(arguments.get(argument::CID), "cid")?;
    let cl = CausalLength(read_counter(arguments, argument::CL, "cl")?);
    let column_version = ColumnVersion(read_counter(
        arguments,
        argument::COL_VERSION,
        "col_version",
    )?);
    let version = DbVersion(read_counter(arguments, argument::DB_VERSION, "db_version")?);
    let seq = Seq(read_counter(arguments, argument::SEQ, "seq")?);
    let site = read_site(state, arguments.get(argument::SITE_ID))?;
    let crr = state.table_by_name(&table)?.ok_or_else(|| {
        Error::Change(format!(
            "there is no replicated table {} here; make it and call SELECT crsql_as_crr({}) before merging its \
             changes",
            quoted(&table),
            sql::literal(&table)
        ))
    })?;
    crr.check_drift()?;
    let key = read_key(state, &crr, arguments.get(argument::PK))?;
    let cell = read_cell(state, &crr, &cid, arguments.get(argument::VAL))?;
    let claim = if cell.is_some() {
        Claim::Cell(column_version)
    } else {
        Claim::Sentinel
    };
    Ok(Incoming {
        crr,
        key,
        cell,
        claim,
        cl,
        version,
        seq,
        site,
    })
}

fn read_name(value: ValueRef<'_>, column: &str) -> Result<String> {
    match value {
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(Error::Change(format!(
            "{column} of a change must be a text"
        ))),
    }
}

fn read_counter(arguments: Arguments<'_>, index: usize, column: &str) -> Result<u64> {
    let number = match arguments.get(index) {
        ValueRef::Integer(integer) => Some(integer),
        ValueRef::Real(real) => whole_integer(real),
        ValueRef::Text(text) => match numeric_text(text) {
            NumericText::Integer(integer) => Some(integer),
            _ => None,
        },
        // A column that an INSERT leaves out.
        ValueRef::Null if index != argument::CL => Some(0),
        ValueRef::Null | ValueRef::Blob(_) => None,
    };
    match number {
        Some(number) if (i64::from(index == argument::CL)..=COUNTER_MAX).contains(&number) => {
            Ok(number as u64)
        }
        _ => {
            let least = i64::from(index == argument::CL);
            Err(Error::Change(format!(
                "{column} of a change must be a whole number from {least} to {COUNTER_MAX} (2^53)"
            )))
        }
    }
}

fn read_site(state: &State, value: ValueRef<'_>) -> Result<Option<Vec<u8>>> {
    let (ValueRef::Blob(site) | ValueRef::Text(site)) = value else {
        return match value {
            ValueRef::Null => Ok(None),
            _ => Err(Error::Change(
                "site_id of a change must be a BLOB of 1 to 16 bytes".to_owned(),
            )),
        };
    };
    if site.len() > SITE_ID_BYTES_MAX {
        return Err(Error::Change(format!(
            "site_id of a change has {} bytes, and at most {SITE_ID_BYTES_MAX} are possible",
            site.len()
        )));
    }
    let is_local = site.is_empty() || site == state.site_id();
    Ok((!is_local).then(|| site.to_vec()))
}

fn read_key(state: &State, crr: &Crr, value: ValueRef<'_>) -> Result<Key> {
    let refusal = |reason: &dyn std::fmt::Display| {
        Error::Change(format!(
            "pk of a change to table {} does not fit: {reason}",
            quoted(&crr.name)
        ))
    };
    let ValueRef::Blob(packed) = value else {
        return Err(refusal(&"it is not a BLOB made by crsql_pack_columns"));
    };
    let values = packed_key::unpack(packed)
        .map_err(|defect| refusal(&format!("it is no packed key, {defect}")))?;
    if values.len() != crr.key_columns.len() {
        let reason = format!(
            "it has {} values for {} key columns",
            values.len(),
            crr.key_columns.len()
        );
        return Err(refusal(&reason));
    }
    let mut stored = Vec::with_capacity(values.len());
    for (value, column) in values.into_iter().zip(&crr.key_columns) {
        let value = with_affinity(state, value, column.affinity)?;
        match value {
            Value::Null => return Err(refusal(&format!("{} can't be NULL", quoted(&column.name)))),
            Value::Integer(_) => {}
            _ if crr.is_rowid_keyed => {
                return Err(refusal(&format!(
                    "{} must be an INTEGER",
                    quoted(&column.name)
                )));
            }
            _ => {}
        }
        stored.push(value);
    }
    crr.key_of_values(stored.iter().map(Value::as_ref))
}

fn read_cell(
    state: &State,
    crr: &Crr,
    cid: &str,
    value: ValueRef<'_>,
) -> Result<Option<(usize, Value)>> {
    if cid == SENTINEL {
        return Ok(None);
    }
    let Some((index, Column { affinity, .. })) = crr.column(cid) else {
        return Err(Error::Change(format!(
            "table {} has no replicated column {} here; add it before merging its changes",
            quoted(&crr.name),
            quoted(cid)
        )));
    };
    Ok(Some((
        index,
        with_affinity(state, value.to_owned(), *affinity)?,
    )))
}

/// The value as a column of this affinity stores it.
fn with_affinity(state: &State, value: Value, affinity: Affinity) -> Result<Value> {
    let cast = |slot: Slot, value: &Value| {
        let cast = state.store.with(slot, |cast| {
            cast.first([value.as_ref()], |row| row.value(0).to_owned())
        })?;
        Ok::<Value, Error>(cast.unwrap_or(Value::Null))
    };
    let number = match (&value, affinity) {
        (_, Affinity::None) => return Ok(value),
        (Value::Integer(_) | Value::Real(_), Affinity::Text) => {
            return cast(Slot::CastText, &value);
        }
        (_, Affinity::Text) | (Value::Null | Value::Blob(_), _) => return Ok(value),
        (Value::Text(text), _) => match numeric_text(text) {
            NumericText::No => return Ok(value),
            NumericText::Integer(integer) => Value::Integer(integer),
            NumericText::Real => cast(Slot::CastReal, &value)?,
        },
        (Value::Integer(_) | Value::Real(_), _) => value,
    };
    Ok(match (number, affinity) {
        (Value::Integer(integer), Affinity::Real) => Value::Real(integer as f64),
        (Value::Real(real), Affinity::Numeric) => stored_number(real),
        (number, _) => number,
    })
}

/// SQLite stores a whole real in a numeric column as an integer, but for the two at the ends of the range.
fn stored_number(real: f64) -> Value {
    match whole_integer(real) {
        Some(integer) if integer != i64::MIN && integer != i64::MAX => Value::Integer(integer),
        _ => Value::Real(real),
    }
}
