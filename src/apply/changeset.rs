//! Applying changesets: all or nothing of one, whole rows at a time.
//!
//! A transaction that is too large for one changeset comes in parts. They are kept in `crsql_parts` until they
//! reach from its start to its end, and are applied together: nobody sees half of it.

use super::parked;
use super::whole::{Batch, Merging};
use crate::crdt::change::{DbVersion, Position, Seq};
use crate::crdt::changeset::{Header, Part, Reader};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::Statement;
use crate::sqlite::triggers::TriggersOff;
use crate::state::State;

/// Applies a changeset; gives the number of changes that won.
pub fn apply(state: &State, bytes: &[u8]) -> Result<i64> {
    let header = Reader::open(bytes)
        .map_err(Error::changeset)?
        .header()
        .clone();
    state.ensure_bootstrapped()?;
    let mut off = triggers_off(state, &header)?;
    let outcome = state.store.atomically(|| {
        state.enlist()?;
        if off.is_some() && fires_others(state, &header)? {
            // The schema has just changed.
            off = None;
        }
        if state.is_parked_due()? {
            parked::replay(state)?;
        }
        let won = apply_preceding(state, &header)?;
        let own = match header.part {
            Part::Whole => {
                let own = apply_rows(state, bytes)?;
                let superseded = superseded(state, &header)?;
                let parts = superseded
                    .into_iter()
                    .map(|version| apply_superseded(state, &header.site, version));
                parts.sum::<Result<i64>>()? + own
            }
            part => merge_part(state, &header, part, bytes)?,
        };
        Ok(won + own)
    });
    outcome.map_err(|error| error.of_call("crsql_apply"))
}

/// Changesets of so many rows are worth it to compile statements without triggers.
const ROWS_WITHOUT_TRIGGERS: u64 = 2000;

/// Switches off our own triggers, which do nothing in a merge and cost as much as the row, if there are no others.
pub(super) fn triggers_off(state: &State, header: &Header) -> Result<Option<TriggersOff>> {
    let rows = header.tables.iter().map(|table| table.rows);
    let is_large = rows.fold(0, u64::saturating_add) >= ROWS_WITHOUT_TRIGGERS;
    match is_large && !fires_others(state, header)? {
        true => Ok(TriggersOff::where_harmless(state.store.connection)),
        false => Ok(None),
    }
}

/// Whether there are triggers that could fire, as the schemas are now. A function of the application in a
/// constraint of the table may write to anything, also to a database that is attached.
pub(super) fn fires_others(state: &State, header: &Header) -> Result<bool> {
    for table in header.tables.iter().take(1) {
        state.table_by_any_name(&table.name)?;
    }
    // What can't be read now may have some.
    Ok(state.has_other_triggers()? || has_attached_triggers(state).unwrap_or(true))
}

fn has_attached_triggers(state: &State) -> Result<bool> {
    let connection = state.store.connection;
    let mut attached = connection.prepare(sql::ATTACHED)?;
    while attached.step()? {
        let name = attached.text(0);
        let text = sql::fill(
            sql::ATTACHED_TRIGGERS,
            &[("schema", sql::Part::Name(&name))],
        );
        if connection.prepare(&text)?.first([], |_| ())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Merges the rows of one changeset.
fn apply_rows(state: &State, bytes: &[u8]) -> Result<i64> {
    let mut reader = Reader::open(bytes).map_err(Error::changeset)?;
    let mut merging = Merging::new(state, reader.header().clone())?;
    let mut buffer = Vec::new();
    while let Some(mut chunk) = reader.next_chunk(&mut buffer).map_err(Error::changeset)? {
        merging.start_chunk();
        let mut batch = Batch::default();
        while let Some(row) = chunk.next_row().map_err(Error::changeset)? {
            merging.merge_in(&mut batch, &row)?;
        }
        merging.flush(&mut batch)?;
    }
    Ok(merging.finish())
}

/// Reads the rows of one changeset, and refuses what `apply_rows` would whatever the constraints of the tables say.
fn check_rows(state: &State, bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::open(bytes).map_err(Error::changeset)?;
    let mut merging = Merging::new(state, reader.header().clone())?;
    let mut buffer = Vec::new();
    while let Some(mut chunk) = reader.next_chunk(&mut buffer).map_err(Error::changeset)? {
        merging.start_chunk();
        while let Some(row) = chunk.next_row().map_err(Error::changeset)? {
            merging.check(&row)?;
        }
    }
    Ok(())
}

/// A changeset that begins after a transaction says that nothing more is left of that. Its last parts may never
/// come: later writes can have replaced all that was in them.
pub(super) fn apply_preceding(state: &State, header: &Header) -> Result<i64> {
    match header.after {
        (version, Some(seq)) if header.first > version => {
            apply_parts(state, &header.site, version, Some(seq))
        }
        _ => Ok(0),
    }
}

/// The transactions of which only parts were here, and that a changeset has brought whole.
pub(super) fn superseded(state: &State, header: &Header) -> Result<Vec<DbVersion>> {
    let mut versions = Vec::new();
    if has_parts(state)? {
        let mut query = state.store.connection.prepare(sql::PARTS_SUPERSEDED)?;
        query.bind_all([
            ValueRef::Blob(&header.site),
            ValueRef::Integer(header.after.0.to_sql()),
            ValueRef::Integer(header.last.version.to_sql()),
        ])?;
        while query.step()? {
            versions.push(DbVersion(query.integer(0) as u64));
        }
    }
    Ok(versions)
}

/// Merges what is here of a transaction that was merged whole, and lets go of it. Most often nothing of it is news; but
/// the changeset may have left out an author whose changes are in the parts.
pub(super) fn apply_superseded(state: &State, site: &[u8], version: DbVersion) -> Result<i64> {
    let of = [ValueRef::Blob(site), ValueRef::Integer(version.to_sql())];
    let mut parts = state.store.connection.prepare(sql::PARTS_OF)?;
    parts.bind_all(of)?;
    let mut kept = Vec::new();
    while parts.step()? {
        kept.push(Kept::of(&parts));
    }
    drop(parts);
    apply_kept(state, &kept, (site, version))
}

fn has_parts(state: &State) -> Result<bool> {
    let mut exists = state.store.connection.prepare(sql::PARTS_EXISTS)?;
    Ok(exists.first([], |_| ())?.is_some())
}

/// Keeps a part, and merges all of its transaction when nothing of that is missing.
pub(super) fn merge_part(state: &State, header: &Header, part: Part, bytes: &[u8]) -> Result<i64> {
    keep(state, header, part, bytes)?;
    let end = (part == Part::Last).then_some(header.last.seq);
    apply_parts(state, &header.site, header.last.version, end)
}

/// Keeps a part until the others are there. One that can't be read to its end, or does not fit its tables, would stand in the
/// way of its transaction for ever.
fn keep(state: &State, header: &Header, part: Part, bytes: &[u8]) -> Result<()> {
    check_rows(state, bytes)?;
    let connection = state.store.connection;
    if !has_parts(state)? {
        connection.execute(sql::PARTS_CREATE)?;
    }
    let first = first_seq(header.after, header.last);
    let mut put = connection.prepare(sql::PARTS_PUT)?;
    put.run([
        ValueRef::Blob(&header.site),
        ValueRef::Integer(header.last.version.to_sql()),
        ValueRef::Integer(first.to_sql()),
        ValueRef::Integer(header.last.seq.to_sql()),
        ValueRef::Integer(i64::from(part == Part::Last)),
        ValueRef::Blob(bytes),
    ])?;
    Ok(())
}

/// The first seq that a part tells of.
fn first_seq((after, seq): (DbVersion, Option<Seq>), last: Position) -> Seq {
    match seq {
        Some(seq) if after == last.version => seq.plus(1),
        _ => Seq(0),
    }
}

/// Applies the parts of a transaction if they reach from its start to its end: the last part, or `end`.
fn apply_parts(state: &State, site: &[u8], version: DbVersion, end: Option<Seq>) -> Result<i64> {
    if !has_parts(state)? {
        return Ok(0);
    }
    let connection = state.store.connection;
    let of = [ValueRef::Blob(site), ValueRef::Integer(version.to_sql())];
    let mut parts = connection.prepare(sql::PARTS_OF)?;
    parts.bind_all(of)?;
    let (mut kept, mut reached, mut is_whole) = (Vec::new(), 0, false);
    while parts.step()? {
        if parts.integer(1) > reached {
            break;
        }
        kept.push(Kept::of(&parts));
        reached = reached.max(parts.integer(2) + 1);
        is_whole |= parts.integer(3) == 1 || end.is_some_and(|end| reached > end.to_sql());
    }
    drop(parts);
    if !is_whole {
        return Ok(0);
    }
    apply_kept(state, &kept, (site, version))
}

/// A part that is kept.
struct Kept {
    rowid: i64,
    /// Its first and last seq
    seqs: (i64, i64),
}

impl Kept {
    /// From a row of `PARTS_OF`.
    fn of(parts: &Statement) -> Kept {
        Kept {
            rowid: parts.integer(0),
            seqs: (parts.integer(1), parts.integer(2)),
        }
    }

    /// Names this part in an error about what came, and says how to get rid of it.
    fn explain(&self, (site, version): (&[u8], DbVersion), error: Error) -> Error {
        if !error.is_refusal() && !error.is_about_statement() {
            return error;
        }
        let (first, last) = self.seqs;
        let site = sql::value_literal(ValueRef::Blob(site));
        let DbVersion(version) = version;
        let place = format!("site = {site} AND db_version = {version}");
        error
            .after(format!(
                "the part of a large transaction with {place} AND first_seq = {first} AND last_seq = {last} can't be merged"
            ))
            .with_advice(format!(
                "mend what refuses it and apply the changeset again, or DELETE FROM crsql_parts WHERE {place} and get \
                 everything above db_version {} from that site again",
                version.saturating_sub(1)
            ))
    }
}

/// Merges kept parts, and lets go of all of their transaction.
fn apply_kept(state: &State, kept: &[Kept], of: (&[u8], DbVersion)) -> Result<i64> {
    let connection = state.store.connection;
    let mut get = connection.prepare(sql::PARTS_GET)?;
    let mut won = 0;
    for part in kept {
        let rowid = [ValueRef::Integer(part.rowid)];
        let data = get.first(rowid, |row| row.value(0).to_owned())?;
        if let Some(Value::Blob(data)) = data {
            won += apply_rows(state, &data).map_err(|error| part.explain(of, error))?;
        }
    }
    let of = [ValueRef::Blob(of.0), ValueRef::Integer(of.1.to_sql())];
    connection.prepare(sql::PARTS_REMOVE)?.run(of)?;
    Ok(won)
}
