//! Turning an ordinary table into a replicated one: `crsql_as_crr`.

use crate::crdt::change::{SiteOrdinal, TableId};
use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::crr::rows_table;
use crate::schema::inspect::DeclaredTable;
use crate::schema::{Crr, triggers};
use crate::sql::{self, Part, quoted};
use crate::state::State;

/// What other extensions and this one call their own tables.
const RESERVED_ENDINGS: [&str; 2] = ["__crsql_clock", "__crsql_pks"];

/// This extension's own tables.
const RESERVED_NAMES: [&str; 8] = [
    "crsql_master",
    "crsql_site_id",
    "crsql_tracked_peers",
    "crsql_tables",
    "crsql_columns",
    "crsql_log",
    "crsql_changes",
    "crsql_transaction",
];

const RESERVED_BEGINNINGS: [&str; 3] = ["crsql_rows_", "crsql_digest_", "sqlite_"];

/// Makes `name` a replicated table; its rows become changes of this database. A table that is one stays as it is.
pub fn as_crr(state: &State, name: &str) -> Result<()> {
    state.ensure_bootstrapped()?;
    let declared = declared_table(state, name)?;
    declared.check(state.store.connection)?;
    if let Some(crr) = state.table_by_name(&declared.name)? {
        return crr.check_drift();
    }
    let outcome = state.store.atomically(|| {
        state.enlist()?;
        state.flush()?;
        remove_orphans(state)?;
        let crr = register(state, &declared)?;
        for statement in triggers::creation(&crr, state.database()) {
            state.store.connection.execute(&statement)?;
        }
        record_rows(state, &crr)
    });
    state.forget_tables();
    outcome.map_err(|error| {
        error.during(format_args!(
            "making table {} a replicated one",
            quoted(&declared.name)
        ))
    })
}

fn declared_table(state: &State, name: &str) -> Result<DeclaredTable> {
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

/// Notes the table and its columns and makes the table of its clock records.
fn register(state: &State, declared: &DeclaredTable) -> Result<Crr> {
    let connection = state.store.connection;
    let id = connection
        .prepare(sql::ADD_TABLE)?
        .first([], |row| row.integer(0))?
        .ok_or_else(|| Error::Internal("a table that was just registered has no id".to_owned()))?;
    let crr = Crr::new(TableId(id), declared);
    let mut add = connection.prepare(sql::ADD_COLUMN)?;
    for column in &crr.columns {
        add.run([
            ValueRef::Integer(id),
            ValueRef::Integer(i64::from(column.id.0)),
            ValueRef::Text(column.name.as_bytes()),
        ])?;
    }
    let create = if crr.is_rowid_keyed {
        sql::CLOCK_CREATE_BY_ROWID
    } else {
        sql::CLOCK_CREATE_BY_KEY
    };
    connection.execute(&crr.clock_sql(create))?;
    Ok(crr)
}

/// Forgets tables that were dropped. Versions they had are not given out again.
fn remove_orphans(state: &State) -> Result<()> {
    let connection = state.store.connection;
    let mut orphans = Vec::new();
    let mut list = connection.prepare(sql::ORPHANS)?;
    while list.step()? {
        orphans.push(list.integer(0));
    }
    if !orphans.is_empty() {
        state.keep_version_floor()?;
    }
    let has_digests = state.store.has_digests()?;
    for id in orphans {
        let argument = || [ValueRef::Integer(id)];
        let mut triggers = Vec::new();
        let mut list = connection.prepare(sql::TRIGGERS)?;
        list.bind_all(argument())?;
        while list.step()? {
            triggers.push(list.text(0));
        }
        for trigger in triggers {
            connection.execute(&sql::fill(
                sql::TRIGGER_DROP,
                &[("trigger", Part::Name(&trigger))],
            ))?;
        }
        let rows = rows_table(TableId(id));
        connection.execute(&sql::fill(sql::CLOCK_DROP, &[("rows", Part::Name(&rows))]))?;
        for text in [
            sql::LOG_REMOVE_TABLE,
            sql::REMOVE_COLUMNS,
            sql::REMOVE_TABLE,
        ] {
            connection.prepare(text)?.run(argument())?;
        }
        if has_digests {
            state.store.forget_tree(TableId(id))?;
        }
    }
    Ok(())
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
