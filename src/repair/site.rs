//! `crsql_site_id_reset`: makes a copied file a replica of its own that keeps its history.
//!
//! Ordinal 0 is this database wherever a site is named, and clients rely on it. So the history is given to another
//! ordinal, once, instead of having every reader learn which entries of ordinal 0 are older than the copy.

use super::keys::has_records;
use super::registry;
use super::triggers;
use crate::crdt::change::{CausalLength, SiteOrdinal, TableId};
use crate::crdt::clock::RowClock;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::crr::rows_table;
use crate::sql::{self, Part};
use crate::state::State;
use crate::state::transaction::SHARED_SITE_ID;

/// So many records are written at once: a few MB.
const RECORDS_MAX: usize = 1 << 13;

/// Gives the database a new site id. What it wrote until now, also in the open transaction, stays under the old one.
pub fn reset(state: &State) -> Result<Vec<u8>> {
    state.ensure_bootstrapped()?;
    let outcome = state.store.atomically(|| {
        state.enlist()?;
        state.flush()?;
        let connection = state.store.connection;
        let before = state.store.database_number()?.unwrap_or_default();
        let former = connection
            .prepare(sql::REPAIR_FORMER_SITE)?
            .first([], |row| row.integer(0))?
            .ok_or_else(|| {
                Error::Internal("a bootstrapped database has no ordinal 0".to_owned())
            })?;
        let identity = state.store.renew_identity()?;
        connection
            .prepare(sql::REPAIR_LOG_SITES)?
            .run([ValueRef::Integer(former)])?;
        for table in registry::registered(state)? {
            if has_records(connection, table.id)? {
                renumber_records(state, table.id, SiteOrdinal(former as u64))?;
            }
            triggers::renumber(connection, table.id, before, identity.database)?;
        }
        connection.execute(sql::REPAIR_TOUCH_SCHEMA)?;
        connection.execute(sql::REPAIR_UNTOUCH_SCHEMA)?;
        connection
            .prepare(sql::MASTER_FORGET)?
            .run([ValueRef::Text(SHARED_SITE_ID.as_bytes())])?;
        Ok(identity.site)
    });
    state.forget_tables();
    outcome.map_err(|error| error.during("giving the database a new site id"))
}

/// Names the former site in every record that names this database. A record that can't be read stays as it is.
fn renumber_records(state: &State, table: TableId, former: SiteOrdinal) -> Result<()> {
    let name = rows_table(table);
    let fill = |text: &str| sql::fill(text, &[("rows", Part::Name(&name))]);
    let connection = state.store.connection;
    let mut records = connection.prepare(&fill(sql::REPAIR_RECORDS))?;
    let mut write = connection.prepare(&fill(sql::REPAIR_SET_RECORD))?;
    let mut changed: Vec<(Value, Vec<u8>)> = Vec::new();
    loop {
        let is_at_end = !records.step()?;
        if !is_at_end
            && let ValueRef::Blob(bytes) = records.value(2)
            && let Some(bytes) = renumbered(records.integer(1), bytes, former)
        {
            changed.push((records.value(0).to_owned(), bytes));
        }
        if is_at_end || changed.len() >= RECORDS_MAX {
            for (key, bytes) in changed.drain(..) {
                write.run([key.as_ref(), ValueRef::Blob(&bytes)])?;
            }
        }
        if is_at_end {
            return Ok(());
        }
    }
}

/// The bytes of the record with the former site in the place of this one; none if nothing changes.
fn renumbered(cl: i64, bytes: &[u8], former: SiteOrdinal) -> Option<Vec<u8>> {
    let mut clock = RowClock::decode(CausalLength(cl as u64), bytes)?;
    let groups = clock.groups.iter_mut().map(|group| &mut group.entry);
    let mut is_changed = false;
    for entry in groups.chain(clock.sentinel.as_mut()) {
        if entry.site == SiteOrdinal::LOCAL {
            (entry.site, is_changed) = (former, true);
        }
    }
    is_changed.then(|| clock.encode())
}
