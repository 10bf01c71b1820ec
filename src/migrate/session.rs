//! Alter sessions: `crsql_begin_alter`, any DDL on the table, `crsql_commit_alter`.
//!
//! ```text
//! begin: SAVEPOINT crsql_alter, triggers that name no columns --> DDL and writes, which are captured
//!   commit: columns matched, table checked, triggers made anew, RELEASE; on failure ROLLBACK TO
//!   COMMIT: the same as commit, by the transaction's end
//! ```

use crate::apply::parked;
use crate::convert::registration::Written;
use crate::convert::{self, registration};
use crate::crdt::change::TableId;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::fract;
use crate::repair::{self, Scope};
use crate::schema::Crr;
use crate::schema::inspect::DeclaredTable;
use crate::schema::matching::History;
use crate::schema::registry::{RegisteredColumn, RegisteredTable, keep_former_names};
use crate::schema::triggers::Phase;
use crate::sql::{self, quoted};
use crate::state::State;
use crate::store::undo::{Savepoint, Undo};

/// Opens a session on a replicated table. Sessions on one table nest.
pub fn begin(state: &State, name: &str) -> Result<()> {
    let Some(crr) = state.or_empty(|| state.table_by_name(name))? else {
        return Err(Error::Table(format!(
            "{} is no replicated table; alter it without crsql_begin_alter, or make it one first with SELECT \
             crsql_as_crr({})",
            quoted(name),
            sql::literal(name)
        )));
    };
    let connection = state.store.connection;
    let was_autocommit = connection.is_autocommit();
    let mut undo = Undo::new(connection, Savepoint::Session);
    let begun = connection.execute(sql::SESSION_BEGIN);
    // An interrupt may be told of when all is done. In a session, undoing might find the savepoint of that one.
    let may_be_open = begun.is_ok() || was_autocommit;
    let opened = begun.and_then(|()| open(state, crr.id));
    if let Err(error) = &opened
        && may_be_open
    {
        state.store.undo(&mut undo, error);
        state.forget_tables();
    }
    opened.map_err(|error| error.during(format_args!("altering table {}", quoted(name))))
}

fn open(state: &State, id: TableId) -> Result<()> {
    state.enlist()?;
    state.flush()?;
    let Some(crr) = state.table(id)? else {
        return Ok(());
    };
    let crr = state.registered(&crr, None)?;
    if crr.sessions == 0 {
        fract::suspend::suspend(state, &crr.name)?;
        registration::replace_triggers(state, &crr, Phase::Session)?;
    }
    let connection = state.store.connection;
    keep_former_names(connection, &crr)?;
    let mut table = crr.registration();
    table.sessions += 1;
    table.write(connection, id)?;
    state.note_session();
    state.forget_tables();
    Ok(())
}

/// Ends a session: the table is replicated as it is now.
pub fn commit(state: &State, name: &str) -> Result<()> {
    let Some(id) = session_of(state, name)? else {
        return Err(Error::Table(format!(
            "there is no alter session on table {}; call crsql_begin_alter first (a COMMIT ends a session, too)",
            quoted(name)
        )));
    };
    let mut undo = Undo::new(state.store.connection, Savepoint::Session);
    let ended = end(state, id, name)
        .and_then(|()| registration::remove_orphans(state, ""))
        .and_then(|()| parked::retry(state))
        .and_then(|()| release(state));
    if let Err(error) = &ended {
        state.store.undo(&mut undo, error);
    }
    state.forget_tables();
    ended.map_err(|error| error.during(format_args!("altering table {}", quoted(name))))
}

/// Ends the sessions that are open when their transaction is committed.
pub fn commit_all(state: &State) -> Result<()> {
    if !state.has_session() {
        return Ok(());
    }
    let connection = state.store.connection;
    let mut open = Vec::new();
    let mut list = connection.prepare(sql::SESSIONS)?;
    while list.step()? {
        open.push(TableId(list.integer(0)));
    }
    for id in open {
        let Some(mut table) = RegisteredTable::read(connection, id)? else {
            continue;
        };
        table.sessions = 1;
        table.write(connection, id)?;
        state.forget_tables();
        let is_there =
            state.table(id)?.is_some() || DeclaredTable::read(connection, &table.name)?.is_some();
        if is_there {
            end(state, id, &table.name)?;
        } else {
            registration::leave_behind(state, id)?;
            fract::suspend::restore(state, &table.name)?;
        }
    }
    state.forget_tables();
    Ok(())
}

/// Closes the innermost session. Where it began a transaction this is the commit, which may fail.
fn release(state: &State) -> Result<()> {
    match state.store.connection.execute(Savepoint::Session.release()) {
        // Gone already if the application released a savepoint around it.
        Err(error) if error.is_about_missing_savepoint() => Ok(()),
        released => released,
    }
}

/// The table in a session, by its name now or at the beginning.
fn session_of(state: &State, name: &str) -> Result<Option<TableId>> {
    let by_name = state.or_empty(|| state.table_by_name(name))?;
    if let Some(crr) = by_name.filter(|crr| crr.sessions > 0) {
        return Ok(Some(crr.id));
    }
    state.or_empty(|| {
        state
            .store
            .connection
            .prepare(sql::SESSION_BY_NAME)?
            .first([ValueRef::Text(name.as_bytes())], |row| {
                TableId(row.integer(0))
            })
    })
}

fn end(state: &State, id: TableId, name: &str) -> Result<()> {
    let connection = state.store.connection;
    state.enlist()?;
    state.flush()?;
    state.forget_tables();
    let altered = state.table(id)?;
    let Some(mut table) = RegisteredTable::read(connection, id)? else {
        return Ok(());
    };
    if table.sessions > 1 {
        table.sessions -= 1;
        return table.write(connection, id);
    }
    let declared_name = altered
        .as_ref()
        .map_or(table.name.as_str(), |crr| &crr.name)
        .to_owned();
    let declared = convert::declared_table(state, &declared_name)?;
    declared.check(connection)?;
    let made = match altered {
        Some(crr) => settle(state, &crr, &declared),
        None => rebuilt(state, id, &declared, &table),
    };
    made.and_then(|()| fract::suspend::restore(state, &declared_name))
        .map_err(|error| error.during(format_args!("making the triggers of {}", quoted(name))))
}

fn settle(state: &State, crr: &Crr, declared: &DeclaredTable) -> Result<()> {
    match registration::without_unclear(state, crr, declared)? {
        None => registration::settle(state, crr, Written::No),
        Some(crr) => registration::settle(state, &crr, Written::MayBe),
    }
}

/// Takes over a table that was made anew under its old name. With another key it starts over.
fn rebuilt(
    state: &State,
    id: TableId,
    declared: &DeclaredTable,
    table: &RegisteredTable,
) -> Result<()> {
    let registered = RegisteredColumn::read_all(state.store.connection, id)?;
    let crr = Crr::altered(id, declared, table, &registered, History::Rebuilt);
    if crr.key_description() == table.key {
        convert::rebuilt::take_over(state, &crr)?;
        // Rows that came and went between the old table and the new one had no triggers.
        if let Some(crr) = state.table(id)? {
            repair::adopt(state, &crr, Scope::Differences)?;
        }
        return Ok(());
    }
    registration::leave_behind(state, id)?;
    convert::replicate(state, declared).map(|_| ())
}
