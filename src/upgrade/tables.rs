//! The replicated tables of a database of cr-sqlite, and the queries that read their clocks.

use crate::crdt::value::ValueRef;
use crate::error::{Error, Result};
use crate::schema::Crr;
use crate::schema::inspect::DeclaredTable;
use crate::sql::{self, Part, column_of, join, quoted};
use crate::sqlite::Connection;
use crate::store::Store;
use crate::store::foreign::{CLOCK_ENDING, Layout};

/// What ends the name of a table of numbered keys.
const KEYS_ENDING: &str = "__crsql_pks";

/// Tables of this extension begin so.
const RESERVED_BEGINNING: &str = "crsql_rows_";

/// A table and where its clocks stand.
#[derive(Debug)]
pub struct OldTable {
    /// The name under which it was replicated
    pub name: String,
    /// The table of its clocks
    pub clock: String,
    /// The table of its numbered keys
    keys: Option<String>,
    /// Whether sites stand in the clocks by their id, and seqs at all
    inline: Inline,
    /// The declaration; none if the table is gone
    pub declared: Option<DeclaredTable>,
}

/// What clocks with keys of their own say.
#[derive(Debug, Clone, Copy)]
struct Inline {
    has_site_ids: bool,
    has_seq: bool,
    is_restamped: bool,
}

/// All tables that the old layout replicates, those that are gone included.
pub fn read_all(store: &Store, layout: &Layout) -> Result<Vec<OldTable>> {
    let clocks = store.names(sql::UPGRADE_CLOCK_TABLES, None)?;
    clocks
        .into_iter()
        .map(|clock| {
            let name = clock
                .strip_suffix(CLOCK_ENDING)
                .unwrap_or(&clock)
                .to_owned();
            let is_numbered = matches!(layout, Layout::Numbered | Layout::PerOrigin);
            Ok(OldTable {
                declared: declared_table(store, &name)?,
                keys: is_numbered.then(|| format!("{name}{KEYS_ENDING}")),
                inline: Inline {
                    has_site_ids: matches!(layout, Layout::InlineSites { .. }),
                    has_seq: *layout != Layout::InlineSites { has_seq: false },
                    is_restamped: *layout == Layout::PerOrigin,
                },
                name,
                clock,
            })
        })
        .collect()
}

/// The table that was replicated under this name, which may have another by now; none if it is gone.
fn declared_table(store: &Store, name: &str) -> Result<Option<DeclaredTable>> {
    let connection = store.connection;
    let argument = || [ValueRef::Text(name.as_bytes())];
    if let Some(declared) = DeclaredTable::read(connection, name)? {
        return Ok(Some(declared));
    }
    let kind = connection
        .prepare(sql::UPGRADE_KIND)?
        .first(argument(), |row| row.text(0))?;
    if kind.is_some() {
        return Err(Error::Table(format!(
            "{} has clocks, and is a view or virtual table by now; give it another name, so that it is clear what \
             becomes of them",
            quoted(name)
        )));
    }
    let renamed = connection
        .prepare(sql::UPGRADE_RENAMED)?
        .first(argument(), |row| row.text(0))?;
    match renamed {
        Some(renamed) => DeclaredTable::read(connection, &renamed),
        None => Ok(None),
    }
}

impl OldTable {
    /// Refuses a table that can't be taken over without a loss. What else speaks against it as a replicated
    /// table is given back as a warning.
    pub fn check(&self, store: &Store, declared: &DeclaredTable) -> Result<Option<String>> {
        let connection = store.connection;
        let name = &declared.name;
        if name.to_ascii_lowercase().starts_with(RESERVED_BEGINNING) {
            return Err(Error::Table(format!(
                "table {} has a name that is kept for internal tables; rename it with cr-sqlite in an alter session",
                quoted(name)
            )));
        }
        declared.check_identity(connection)?;
        declared.check_column_names()?;
        self.check_key_names(store, declared)?;
        check_null_keys(connection, declared)?;
        match declared.check(connection) {
            Ok(()) => Ok(None),
            Err(Error::Table(text)) => Ok(Some(text)),
            Err(other) => Err(other),
        }
    }

    fn check_key_names(&self, store: &Store, declared: &DeclaredTable) -> Result<()> {
        let source = self.keys.as_ref().unwrap_or(&self.clock);
        let columns = store.names(sql::UPGRADE_TABLE_COLUMNS, Some(source))?;
        let is_there = |name: &str| columns.iter().any(|column| column == name);
        let own = |column: &&String| !column.starts_with("__crsql_");
        let known = columns.iter().filter(own).count();
        let key = declared.key_columns();
        if known == key.len() && key.iter().all(|column| is_there(&column.name)) {
            return Ok(());
        }
        Err(Error::Table(format!(
            "the primary key of table {} is ({}), and table {} knows it as ({}); undo that change of the schema first",
            quoted(&declared.name),
            join(", ", key.iter().map(|column| quoted(&column.name))),
            quoted(source),
            join(", ", columns.iter().filter(own).map(|name| quoted(name)))
        )))
    }

    /// Reads the clocks, row after row.
    pub fn scan_sql(&self, crr: &Crr) -> String {
        let source = self.key_alias();
        let keys = self.keys_of(crr, source);
        let is_row = join(
            " AND ",
            crr.key_names().map(|name| {
                let (there, here) = (column_of("b", name), column_of(source, name));
                format!("{there} = {here} COLLATE BINARY")
            }),
        );
        let first_key = crr.key_names().next().unwrap_or_default();
        let version = match self.inline.is_restamped {
            true => "coalesce(s.stamp, c.db_version)",
            false => "c.db_version",
        };
        let stamps = match self.inline.is_restamped {
            true => {
                " LEFT JOIN temp.crsql_upgrade_stamps AS s ON s.site = c.site_id AND s.version = c.db_version"
            }
            false => "",
        };
        let (site, sites) = match self.inline.has_site_ids {
            true => (
                "coalesce(s.ordinal, 0)",
                " LEFT JOIN main.crsql_site_id AS s ON s.site_id = c.__crsql_site_id",
            ),
            false => ("coalesce(c.__crsql_site_id, 0)", ""),
        };
        let seq = match self.inline.has_seq {
            true => "c.__crsql_seq",
            false => "0",
        };
        let text = match self.keys {
            Some(_) => sql::UPGRADE_SCAN_NUMBERED,
            None => sql::UPGRADE_SCAN_INLINE,
        };
        self.fill(
            text,
            crr,
            &[
                ("first_key", Part::Name(first_key)),
                ("keys", Part::Sql(&keys)),
                ("is_row", Part::Sql(&is_row)),
                ("version", Part::Sql(version)),
                ("stamps", Part::Sql(stamps)),
                ("site", Part::Sql(site)),
                ("sites", Part::Sql(sites)),
                ("seq", Part::Sql(seq)),
            ],
        )
    }

    /// Finds the keys of rows without clocks.
    pub fn unrecorded_sql(&self, crr: &Crr) -> String {
        let is_key = join(
            " AND ",
            crr.key_names().map(|name| {
                let (known, row) = (column_of("k", name), column_of("b", name));
                format!("{known} = +{row} COLLATE BINARY")
            }),
        );
        let keys = self.keys_of(crr, "b");
        let text = match self.keys {
            Some(_) => sql::UPGRADE_UNRECORDED_NUMBERED,
            None => sql::UPGRADE_UNRECORDED_INLINE,
        };
        self.fill(
            text,
            crr,
            &[("keys", Part::Sql(&keys)), ("is_key", Part::Sql(&is_key))],
        )
    }

    /// Looks for clocks of the key in the parameters.
    pub fn sibling_sql(&self, crr: &Crr) -> String {
        let is_key = join(
            " AND ",
            (1..).zip(crr.key_names()).map(|(parameter, name)| {
                format!("{} = ?{parameter} COLLATE BINARY", column_of("k", name))
            }),
        );
        let text = match self.keys {
            Some(_) => sql::UPGRADE_SIBLING_NUMBERED,
            None => sql::UPGRADE_SIBLING_INLINE,
        };
        self.fill(text, crr, &[("is_key", Part::Sql(&is_key))])
    }

    /// Finds the greatest version in the clocks that counts for this database's own.
    pub fn greatest_version_sql(&self) -> String {
        let version = match self.keys {
            Some(_) => "c.db_version",
            None => "c.__crsql_db_version",
        };
        let is_own = match self.inline.is_restamped {
            true => "c.site_id = 0",
            false => "1",
        };
        sql::fill(
            sql::UPGRADE_GREATEST_VERSION,
            &[
                ("version", Part::Sql(version)),
                ("clock", Part::Name(&self.clock)),
                ("is_own", Part::Sql(is_own)),
            ],
        )
    }

    /// The internal tables of the old layout.
    pub fn internal_tables(&self) -> impl Iterator<Item = &str> {
        [Some(&self.clock), self.keys.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// The table of numbered keys.
    pub fn numbered_keys(&self) -> Option<&str> {
        self.keys.as_deref()
    }

    fn key_alias(&self) -> &'static str {
        match self.keys {
            Some(_) => "p",
            None => "c",
        }
    }

    fn keys_of(&self, crr: &Crr, alias: &str) -> String {
        join(", ", crr.key_names().map(|name| column_of(alias, name)))
    }

    fn fill(&self, text: &str, crr: &Crr, parts: &[(&str, Part<'_>)]) -> String {
        let own = [
            ("table", Part::Name(crr.name.as_str())),
            ("clock", Part::Name(self.clock.as_str())),
            ("pks", Part::Name(self.keys.as_deref().unwrap_or_default())),
        ];
        sql::fill(text, &[&own[..], parts].concat())
    }
}

fn check_null_keys(connection: Connection, declared: &DeclaredTable) -> Result<()> {
    for column in declared.nullable_key_columns() {
        let is_null = format!("{} IS NULL", quoted(&column.name));
        let text = sql::fill(
            sql::UPGRADE_NULL_KEY,
            &[
                ("table", Part::Name(&declared.name)),
                ("is_null", Part::Sql(&is_null)),
            ],
        );
        if connection.prepare(&text)?.first([], |_| ())?.is_some() {
            return Err(Error::Table(format!(
                "table {} has rows whose key column {} is NULL, and a row needs an identity; give them values first",
                quoted(&declared.name),
                quoted(&column.name)
            )));
        }
    }
    Ok(())
}

/// How many rows a table has.
pub fn count(connection: Connection, table: &str) -> Result<u64> {
    let text = sql::fill(sql::UPGRADE_COUNT, &[("table", Part::Name(table))]);
    let count = connection.prepare(&text)?.first([], |row| row.integer(0))?;
    Ok(count.unwrap_or_default() as u64)
}

/// The greatest version by a query; 0 without one.
pub fn greatest(connection: Connection, query: &str) -> Result<i64> {
    let greatest = connection
        .prepare(query)?
        .first([], |row| match row.value(0) {
            ValueRef::Integer(version) => version,
            _ => 0,
        })?;
    Ok(greatest.unwrap_or_default())
}
