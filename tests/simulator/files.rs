//! What a simulated application asks of a database: news, changesets, messages, digests, and copies of the file.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::replica::{Change, Site};
use crate::model::value::Value;
use crate::schedule::database::{Database, change_of};
use crate::schedule::run::Outcome;
use crate::schedule::sql::Sql;

use super::parts::{Changeset, Part};
use super::script::Copying;

/// Whose changes are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    All,
    NotOf(Site),
    Of(Site),
}

impl Whose {
    pub fn holds(self, change: &Change) -> bool {
        match self {
            Whose::All => true,
            Whose::NotOf(site) => change.site != site,
            Whose::Of(site) => change.site == site,
        }
    }
}

fn failed(what: &str) -> impl Fn(rusqlite::Error) -> String {
    move |error| format!("{what}: {error}")
}

/// The changes above a version.
pub fn news(database: &Database, since: i64, whose: Whose) -> Outcome<Vec<Change>> {
    let (condition, site) = match whose {
        Whose::All => ("", None),
        Whose::NotOf(site) => (" AND site_id <> ?2", Some(site)),
        Whose::Of(site) => (" AND site_id = ?2", Some(site)),
    };
    let mut values = vec![Value::Integer(since)];
    values.extend(site.map(|site| Value::Blob(site.to_vec())));
    let text = format!("SELECT * FROM crsql_changes WHERE db_version > ?1{condition}");
    let rows = database.select(&Sql { text, values })?;
    rows.into_iter().map(change_of).collect()
}

/// Everything above a version in one changeset.
pub fn changeset(
    database: &Database,
    since: i64,
    not_of: Option<Site>,
    level: i64,
) -> Outcome<Changeset> {
    let connection = database.connection();
    let data: Vec<u8> = connection
        .query_row(
            "SELECT crsql_changeset(?1, ?2, ?3)",
            params![since, not_of, level],
            |row| row.get(0),
        )
        .map_err(failed("crsql_changeset"))?;
    opened(connection, data)
}

/// Everything after a position in changesets of about so many bytes.
pub fn stream(
    database: &Database,
    after: (i64, Option<i64>),
    not_of: Option<Site>,
    max_bytes: i64,
    level: i64,
) -> Outcome<Vec<Changeset>> {
    let connection = database.connection();
    let mut statement = connection
        .prepare_cached("SELECT data FROM crsql_changesets(?1, ?2, ?3, ?4, ?5)")
        .map_err(failed("crsql_changesets"))?;
    let all: Vec<Vec<u8>> = statement
        .query_map(params![after.0, not_of, max_bytes, after.1, level], |row| {
            row.get(0)
        })
        .and_then(Iterator::collect)
        .map_err(failed("crsql_changesets"))?;
    all.into_iter()
        .map(|data| opened(connection, data))
        .collect()
}

/// A changeset with what it says of itself.
fn opened(connection: &Connection, data: Vec<u8>) -> Outcome<Changeset> {
    let text = "SELECT unhex(info ->> 'site'), info ->> 'after_version', info ->> 'after_seq', info ->> 'first_version', \
                info ->> 'last_version', info ->> 'last_seq', info ->> 'part' \
                FROM (SELECT crsql_changeset_info(?1) AS info)";
    let mut changeset = connection
        .query_row(text, [&data], |row| {
            let part: Option<String> = row.get(6)?;
            Ok(Changeset {
                data: Vec::new(),
                site: row.get(0)?,
                after: (row.get(1)?, row.get(2)?),
                first_version: row.get(3)?,
                last: (row.get(4)?, row.get(5)?),
                part: match part.as_deref() {
                    None => Part::Whole,
                    Some("more") => Part::More,
                    Some(_) => Part::Last,
                },
                changes: Vec::new(),
            })
        })
        .map_err(failed("crsql_changeset_info"))?;
    changeset.changes = rows_of(connection, &data)?;
    changeset.data = data;
    Ok(changeset)
}

fn rows_of(connection: &Connection, data: &[u8]) -> Outcome<Vec<Change>> {
    let read = || {
        connection
            .prepare_cached("SELECT * FROM crsql_changeset_rows(?1)")?
            .query_map([data], |row| {
                (0..9)
                    .map(|index| Ok(crate::schedule::database::value_of(row.get_ref(index)?)))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(failed("crsql_changeset_rows"))?;
    rows.into_iter().map(change_of).collect()
}

/// Applies a changeset, in slices if there is a limit for them; gives how many changes won.
pub fn apply(database: &Database, data: &[u8], max_ms: Option<i64>) -> Outcome<usize> {
    let won: i64 = database
        .connection()
        .query_row("SELECT crsql_apply(?1, ?2)", params![data, max_ms], |row| {
            row.get(0)
        })
        .map_err(failed("crsql_apply"))?;
    Ok(won as usize)
}

pub fn converse_first(database: &Database) -> Outcome<Vec<u8>> {
    database
        .connection()
        .query_row("SELECT crsql_reconcile()", [], |row| row.get(0))
        .map_err(failed("crsql_reconcile"))
}

pub fn converse(database: &Database, message: &[u8], max_bytes: i64) -> Outcome<Option<Vec<u8>>> {
    database
        .connection()
        .query_row(
            "SELECT crsql_reconcile(?1, ?2)",
            params![message, max_bytes],
            |row| row.get::<_, Option<Vec<u8>>>(0),
        )
        .optional()
        .map(Option::flatten)
        .map_err(failed("crsql_reconcile"))
}

pub fn digest(database: &Database) -> Outcome<Vec<u8>> {
    database
        .connection()
        .query_row("SELECT crsql_digest()", [], |row| row.get(0))
        .map_err(failed("crsql_digest"))
}

pub fn reset_site(database: &Database) -> Outcome<Site> {
    database
        .connection()
        .query_row("SELECT crsql_site_id_reset()", [], |row| row.get(0))
        .map_err(failed("crsql_site_id_reset"))
}

pub fn integrity(database: &Database) -> Outcome {
    let found: String = database
        .connection()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(failed("integrity_check"))?;
    match found.as_str() {
        "ok" => Ok(()),
        problems => Err(format!("integrity_check: {problems}")),
    }
}

/// The number of sites that the file knows.
pub fn sites(database: &Database) -> Outcome<usize> {
    Ok(database.integer("SELECT count(*) FROM crsql_site_id")? as usize)
}

/// Copies a database to a new place.
pub fn copy(database: &Database, to: &Path, copying: Copying) -> Outcome {
    match copying {
        Copying::Bytes => copy_bytes(database.path().ok_or("a database in memory")?, to),
        Copying::Vacuum => database
            .connection()
            .execute("VACUUM INTO ?1", [to.to_string_lossy()])
            .map(drop)
            .map_err(failed("VACUUM INTO")),
    }
}

/// Copies the files of a database as they are: with its write-ahead log or rollback journal, if there is one.
pub fn copy_bytes(from: &Path, to: &Path) -> Outcome {
    for suffix in ["", "-wal", "-journal"] {
        let file = |path: &Path| path.with_extension(format!("db{suffix}"));
        if file(from).exists() {
            std::fs::copy(file(from), file(to)).map_err(|error| format!("copy: {error}"))?;
        }
    }
    Ok(())
}

pub fn remove(path: &Path) {
    for suffix in ["", "-wal", "-journal", "-shm"] {
        // What is not there need not go.
        drop(std::fs::remove_file(
            path.with_extension(format!("db{suffix}")),
        ));
    }
}
