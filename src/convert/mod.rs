//! Turning an ordinary table into a replicated one, and back: `crsql_as_crr`, `crsql_as_table`.

pub mod rebuilt;
pub mod registration;

use crate::crdt::change::SiteOrdinal;
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::inspect::DeclaredTable;
use crate::schema::triggers::Phase;
use crate::schema::{Crr, triggers};
use crate::sql::{self, Part, quoted};
use crate::state::State;
use std::rc::Rc;

/// What other extensions and this one call their own tables.
const RESERVED_ENDINGS: [&str; 2] = ["__crsql_clock", "__crsql_pks"];

/// This extension's own tables.
const RESERVED_NAMES: &[&str] = &[
    "crsql_master",
    "crsql_site_id",
    "crsql_tracked_peers",
    "crsql_tables",
    "crsql_columns",
    "crsql_log",
    "crsql_changes",
    "crsql_transaction",
    "crsql_check",
    "crsql_check_keys",
    "crsql_parked",
    "crsql_parked_changes",
    "crsql_former_names",
    "crsql_peer_times",
    "crsql_parts",
];

const RESERVED_BEGINNINGS: [&str; 3] = ["crsql_rows_", "crsql_digest_", "sqlite_"];

/// Makes `name` a replicated table; its rows become changes of this database. A table that is one stays one,
/// with the columns that it has by now.
pub fn as_crr(state: &State, name: &str) -> Result<Rc<Crr>> {
    state.ensure_bootstrapped()?;
    let declared = declared_table(state, name)?;
    declared.check(state.store.connection)?;
    let outcome = state.store.atomically(|| {
        if let Some(crr) = state.table_by_name(&declared.name)? {
            state.enlist()?;
            let crr = state.registered(&crr, None)?;
            if crr.has_stale_triggers() || registration::lacks_triggers(state, &crr)? {
                registration::make_triggers(state, crr.id)?;
            }
            return Ok(crr);
        }
        state.enlist()?;
        state.flush()?;
        registration::end_lost_session(state, &declared.name)?;
        // SQLite drops no table while a statement of the application runs; orphans can wait.
        if !state.store.is_within_statement() {
            registration::remove_orphans(state, &declared.name)?;
        }
        replicate(state, &declared)
    });
    state.forget_tables();
    outcome.map_err(|error| {
        error.during(format_args!(
            "making table {} a replicated one",
            quoted(&declared.name)
        ))
    })
}

/// Registers a table, makes its triggers and records its rows.
pub fn replicate(state: &State, declared: &DeclaredTable) -> Result<Rc<Crr>> {
    let crr = registration::register(state, declared)?;
    for statement in triggers::creation(&crr, state.database()?, Phase::Steady) {
        state.store.connection.execute(&statement)?;
    }
    record_rows(state, &crr)?;
    Ok(Rc::new(crr))
}

/// Makes a replicated table an ordinary one: its rows stay, what was recorded of them goes. Anything else
/// stays as it is.
pub fn as_table(state: &State, name: &str) -> Result<()> {
    let Some(crr) = state.or_empty(|| state.table_by_name(name))? else {
        return Ok(());
    };
    crr.check_no_session()?;
    let outcome = state.store.atomically(|| {
        state.enlist()?;
        state.flush()?;
        state.keep_version_floor()?;
        registration::unregister(state, crr.id)
    });
    state.forget_tables();
    outcome.map_err(|error| {
        error.during(format_args!(
            "making table {} an ordinary one",
            quoted(&crr.name)
        ))
    })
}

/// The declaration of a table of `main`, or why there is none.
pub fn declared_table(state: &State, name: &str) -> Result<DeclaredTable> {
    let connection = state.store.connection;
    let is_reserved = {
        let name = name.to_ascii_lowercase();
        RESERVED_NAMES.contains(&name.as_str())
            || RESERVED_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || RESERVED_BEGINNINGS
                .iter()
                .any(|beginning| name.starts_with(beginning))
    };
    if is_reserved {
        return Err(Error::Table(format!(
            "table {} can't be replicated: names like this are kept for internal tables; rename it",
            quoted(name)
        )));
    }
    if let Some(declared) = DeclaredTable::read(connection, name)? {
        return Ok(declared);
    }
    let argument = || [ValueRef::Text(name.as_bytes())];
    let kind = connection
        .prepare(sql::DESCRIBE)?
        .first(argument(), |row| row.text(1))?;
    if let Some(kind) = kind {
        return Err(Error::Table(format!(
            "{} is a {}, and only ordinary tables can be replicated",
            quoted(name),
            if kind == "view" {
                "view"
            } else {
                "virtual table"
            }
        )));
    }
    let schema = connection
        .prepare(sql::ELSEWHERE)?
        .first(argument(), |row| row.text(0))?;
    Err(Error::Table(match schema.as_deref() {
        Some("temp") => format!(
            "table {} is temporary, and only tables of main can be replicated; create it in main",
            quoted(name)
        ),
        Some(schema) => format!(
            "table {} is in the schema {}, and only tables of main can be replicated; open its file as the main \
             database",
            quoted(name),
            quoted(schema)
        ),
        None => format!("there is no table {}; create it first", quoted(name)),
    }))
}

/// Records the rows that are there as inserts of the open transaction, in the order of their keys.
fn record_rows(state: &State, crr: &Crr) -> Result<()> {
    let columns = sql::join(", ", crr.key_names().map(|name| sql::column_of("t", name)));
    let text = crr.row_sql(sql::ROW_ALL_KEYS, &[("key_columns", Part::Sql(&columns))]);
    let mut keys = state.store.connection.prepare(&text)?;
    while keys.step()? {
        let values = (0..crr.key_columns.len()).map(|column| keys.value(column));
        let key = crr.key_of_values(values)?;
        let at = state.reserve(crr.insert_stride())?;
        state.log_first_insert(crr, &key, at, SiteOrdinal::LOCAL)?;
    }
    Ok(())
}
