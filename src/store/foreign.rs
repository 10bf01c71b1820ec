//! Databases that cr-sqlite keeps: how to tell them, and which of its layouts they have.
//!
//! The columns tell the layout. The version in `crsql_master` may not: a file that a later release opened
//! carries that release's number, whatever its tables are like.

use super::Store;
use super::bootstrap::{FOREIGN_VERSION_KEY, FORMAT_KEY};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::Statement;

/// What ends the name of a table of clocks.
pub const CLOCK_ENDING: &str = "__crsql_clock";

/// Holds the site ids up to 0.15.
pub const OLD_SITE_TABLE: &str = "__crsql_siteid";

/// A layout of cr-sqlite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// 0.12 to 0.14: keys and site ids stand in each clock
    InlineSites {
        /// Whether clocks have a seq, as from 0.13 on
        has_seq: bool,
    },
    /// 0.15: keys stand in each clock, sites are numbered
    InlineKeys {
        /// Whether 0.16 opened the file and gave it another site id beside its own
        is_damaged: bool,
    },
    /// 0.16: keys are numbered too
    Numbered,
    /// 0.17 of Fly's fork: versions are those of each change's author
    PerOrigin,
    /// 0.18 of Fly's fork, a development version
    Packed,
    /// None of these; with a table that shows it
    Unknown(String),
}

impl Layout {
    /// How people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Layout::InlineSites { has_seq: false } => "cr-sqlite 0.12",
            Layout::InlineSites { has_seq: true } => "cr-sqlite 0.13 or 0.14",
            Layout::InlineKeys { is_damaged: false } => "cr-sqlite 0.15",
            Layout::InlineKeys { is_damaged: true } => {
                "cr-sqlite 0.15, half-upgraded by cr-sqlite 0.16"
            }
            Layout::Numbered => "cr-sqlite 0.16",
            Layout::PerOrigin => "Fly's fork of cr-sqlite, 0.17",
            Layout::Packed => "Fly's fork of cr-sqlite, development version 0.18",
            Layout::Unknown(_) => "an unknown release of cr-sqlite",
        }
    }

    /// Why a database of this layout is not served.
    pub fn refusal(&self) -> Error {
        let name = self.name();
        Error::Foreign(match self {
            Layout::Packed => format!(
                "this database has the layout of {name}, which can't be converted; go back to a copy that 0.17 wrote, \
                 or start from a new file and copy the rows"
            ),
            Layout::Unknown(table) => format!(
                "this database has the layout of {name}: the columns of table {} are none that are known; open it with \
                 the release that wrote it, or start from a new file and copy the rows",
                sql::quoted(table)
            ),
            _ => format!(
                "this database has the layout of {name}; make a copy of the file, then convert it with \
                 SELECT crsql_upgrade()"
            ),
        })
    }
}

impl Store {
    /// The layout of a database that cr-sqlite keeps; none for any other.
    pub fn foreign_layout(&self) -> Result<Option<Layout>> {
        let has_master = self.has_table("crsql_master")?;
        if has_master && self.setting(FORMAT_KEY)?.is_some() {
            return Ok(None);
        }
        let has_traces = self
            .connection
            .prepare(sql::UPGRADE_TRACES)?
            .first([], |row| row.integer(0) != 0)?;
        let has_version = has_master && self.setting(FOREIGN_VERSION_KEY)?.is_some();
        if has_traces != Some(true) && !has_version {
            return Ok(None);
        }
        self.layout_by_columns().map(Some)
    }

    fn layout_by_columns(&self) -> Result<Layout> {
        let clocks = self.names(sql::UPGRADE_CLOCK_TABLES, None)?;
        if !self.names(sql::UPGRADE_V2_CLOCK_TABLES, None)?.is_empty() {
            return Ok(Layout::Packed);
        }
        let has_old_sites = self.has_table(OLD_SITE_TABLE)?;
        let old_site_columns = self.names(sql::UPGRADE_TABLE_COLUMNS, Some(OLD_SITE_TABLE))?;
        let numbers_sites = old_site_columns.iter().any(|name| name == "ordinal");
        let is_damaged = has_old_sites && self.has_table("crsql_site_id")?;
        let mut layout = None;
        for clock in clocks {
            let columns = self.names(sql::UPGRADE_TABLE_COLUMNS, Some(&clock))?;
            let has = |name: &str| columns.iter().any(|column| column == name);
            let found = if has("__crsql_col_name") && has_old_sites && numbers_sites {
                Layout::InlineKeys { is_damaged }
            } else if has("__crsql_col_name") && has_old_sites {
                let has_seq = has("__crsql_seq");
                Layout::InlineSites { has_seq }
            } else if has("col_name") && has("key") && has("ts") {
                Layout::PerOrigin
            } else if has("col_name") && has("key") {
                Layout::Numbered
            } else {
                return Ok(Layout::Unknown(clock));
            };
            layout = match (layout, found) {
                (None, found) => Some(found),
                // The fork makes new tables in files that it did not begin.
                (Some(Layout::Numbered), Layout::PerOrigin) => Some(Layout::PerOrigin),
                (Some(Layout::PerOrigin), Layout::Numbered) => Some(Layout::PerOrigin),
                (Some(known), found) if known == found => Some(known),
                _ => return Ok(Layout::Unknown(clock)),
            };
        }
        Ok(match layout {
            Some(layout) => layout,
            // No table is replicated yet.
            None if numbers_sites => Layout::InlineKeys { is_damaged },
            None if has_old_sites => Layout::InlineSites { has_seq: true },
            None if self.has_table("crsql_db_versions")? => Layout::PerOrigin,
            None => Layout::Numbered,
        })
    }

    /// The version that cr-sqlite noted in the file, as 0.16.3.
    pub fn foreign_release(&self) -> Result<Option<String>> {
        if !self.has_table("crsql_master")? {
            return Ok(None);
        }
        let Some(Value::Integer(number)) = self.setting(FOREIGN_VERSION_KEY)? else {
            return Ok(None);
        };
        let part = |unit: i64| number / unit % 100;
        Ok(Some(format!(
            "{}.{}.{}",
            number / 1_000_000,
            part(10_000),
            part(100)
        )))
    }

    /// Whether `main` has a table of this name.
    pub fn has_table(&self, name: &str) -> Result<bool> {
        let found = self
            .connection
            .prepare(sql::UPGRADE_HAS_TABLE)?
            .first([ValueRef::Text(name.as_bytes())], |row| row.integer(0) != 0)?;
        Ok(found.unwrap_or_default())
    }

    /// The first column of all rows of a query.
    pub fn names(&self, query: &str, argument: Option<&str>) -> Result<Vec<String>> {
        let mut rows: Statement = self.connection.prepare(query)?;
        rows.bind_all(argument.map(|text| ValueRef::Text(text.as_bytes())))?;
        let mut names = Vec::new();
        while rows.step()? {
            names.push(rows.text(0));
        }
        Ok(names)
    }
}
