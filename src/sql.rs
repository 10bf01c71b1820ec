//! The SQL texts of `sql/`, and the only place where names are quoted into them.

use std::fmt::Write;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = include_str!(concat!("../sql/", $file));)*
    };
}

/// The tables every database has, in the order of their making.
pub const BOOTSTRAP: [&str; 7] = [
    include_str!("../sql/bootstrap/master.sql"),
    include_str!("../sql/bootstrap/site_id.sql"),
    include_str!("../sql/bootstrap/site_id_unique.sql"),
    include_str!("../sql/bootstrap/tracked_peers.sql"),
    include_str!("../sql/bootstrap/tables.sql"),
    include_str!("../sql/bootstrap/columns.sql"),
    include_str!("../sql/bootstrap/log.sql"),
];

/// How many tables `BOOTSTRAP_EXISTS` counts when all are there.
pub const BOOTSTRAP_TABLES: i64 = 6;

texts! {
    /// Counts the tables of `BOOTSTRAP`.
    BOOTSTRAP_EXISTS = "bootstrap/exists.sql";
    /// Finds the traces of another extension.
    BOOTSTRAP_FOREIGN = "bootstrap/foreign.sql";
    /// Reads a setting.
    MASTER_GET = "bootstrap/get.sql";
    /// Writes a setting.
    MASTER_SET = "bootstrap/set.sql";
    /// Removes a setting.
    MASTER_FORGET = "bootstrap/forget.sql";
    /// SQLite's randomness.
    RANDOM = "bootstrap/random.sql";
    /// This database's site id.
    SITE_LOCAL = "site/local.sql";
    /// A site's id.
    SITE_BY_ORDINAL = "site/by_ordinal.sql";
    /// A site's ordinal.
    SITE_BY_ID = "site/by_id.sql";
    /// Numbers a new site.
    SITE_ADD = "site/add.sql";
    /// Names this database.
    SITE_ADD_LOCAL = "site/add_local.sql";
    /// Adds a log row.
    LOG_APPEND = "log/append.sql";
    /// Removes a log row.
    LOG_REMOVE = "log/remove.sql";
    /// Removes a row of the log whatever its length.
    LOG_REMOVE_RUN = "log/remove_run.sql";
    /// The row of the log that a position falls into.
    LOG_COVERING = "log/covering.sql";
    /// The highest version given out.
    LOG_VERSION = "log/version.sql";
    /// The end of the log.
    LOG_LAST = "log/last.sql";
    /// The log rows of a range of versions.
    LOG_SCAN = "log/scan.sql";
    /// The log rows of one key that stand alone.
    LOG_BY_KEY = "log/by_key.sql";
    /// The run that may hold an integer key.
    LOG_BY_RUN = "log/by_run.sql";
    /// Makes rows findable by key.
    LOG_INDEX_KEYS = "log/index_keys.sql";
    /// Makes runs findable by key.
    LOG_INDEX_RUNS = "log/index_runs.sql";
    /// The runs of packed keys.
    LOG_PACKED_RUNS = "log/packed_runs.sql";
    /// Registered tables that are gone.
    ORPHANS = "registry/orphans.sql";
    /// The triggers of a registered table.
    TRIGGERS = "registry/triggers.sql";
    /// Whether the application has triggers.
    OTHER_TRIGGERS = "registry/other_triggers.sql";
    /// Forgets a table's columns.
    REMOVE_COLUMNS = "registry/remove_columns.sql";
    /// Forgets a table.
    REMOVE_TABLE = "registry/remove_table.sql";
    /// Forgets a table's changes.
    LOG_REMOVE_TABLE = "log/remove_table.sql";
    /// The log rows of a part of one version.
    LOG_SCAN_WITHIN = "log/scan_within.sql";
    /// Forgets a table's clock records.
    CLOCK_DROP = "clock/drop.sql";
    /// Removes a trigger.
    TRIGGER_DROP = "trigger/drop.sql";
    /// A replicated table.
    TABLE_BY_ID = "registry/table_by_id.sql";
    /// A replicated table, in any case.
    TABLE_BY_NAME = "registry/table_by_name.sql";
    /// The registered columns of a table.
    COLUMNS = "registry/columns.sql";
    /// Registers a table.
    ADD_TABLE = "registry/add_table.sql";
    /// Registers a column.
    ADD_COLUMN = "registry/add_column.sql";
    /// Moves with every change of the schema.
    SCHEMA_VERSION = "registry/schema_version.sql";
    /// What kind of table a name is.
    DESCRIBE = "registry/describe.sql";
    /// Whether a name is a table of another schema.
    ELSEWHERE = "registry/elsewhere.sql";
    /// The columns of a table.
    DESCRIBE_COLUMNS = "registry/describe_columns.sql";
    /// The indexes of a table.
    INDEXES = "registry/indexes.sql";
    /// The columns of an index.
    INDEX_COLUMNS = "registry/index_columns.sql";
    /// The foreign keys of a table.
    FOREIGN_KEYS = "registry/foreign_keys.sql";
    /// The text that made a table.
    DEFINITION = "registry/definition.sql";
    /// The clock records of a table keyed by rowid.
    CLOCK_CREATE_BY_ROWID = "clock/create_by_rowid.sql";
    /// The clock records of a table with another key.
    CLOCK_CREATE_BY_KEY = "clock/create_by_key.sql";
    /// Reads a record.
    CLOCK_GET = "clock/get.sql";
    /// Writes a record.
    CLOCK_PUT = "clock/put.sql";
    /// The greatest key with a record.
    CLOCK_LAST = "clock/last.sql";
    /// Reads the records from a key on.
    CLOCK_SCAN = "clock/scan.sql";
    /// Reads a row.
    ROW_GET = "table/get_row.sql";
    /// Looks for a row.
    ROW_EXISTS = "table/exists.sql";
    /// Reads all keys.
    ROW_ALL_KEYS = "table/all_keys.sql";
    /// Makes a row.
    ROW_INSERT = "table/insert.sql";
    /// Writes a cell.
    ROW_UPDATE = "table/update.sql";
    /// Removes a row.
    ROW_DELETE = "table/delete.sql";
    /// SQLite's conversion to a real.
    CAST_REAL = "table/cast_real.sql";
    /// SQLite's conversion to text.
    CAST_TEXT = "table/cast_text.sql";
    /// Notices a key that an insert replaces.
    TRIGGER_EXISTING = "trigger/existing.sql";
    /// Captures inserts.
    TRIGGER_INSERT = "trigger/insert.sql";
    /// Notices a key that an update replaces.
    TRIGGER_DISPLACE = "trigger/displace.sql";
    /// Refuses an insert that would take another row's rowid.
    TRIGGER_ROWID_INSERT = "trigger/rowid_insert.sql";
    /// Refuses an update that would.
    TRIGGER_ROWID_UPDATE = "trigger/rowid_update.sql";
    /// Captures updates.
    TRIGGER_UPDATE = "trigger/update.sql";
    /// Captures deletes.
    TRIGGER_DELETE = "trigger/delete.sql";
    /// Starts a piece of work that can be undone.
    WORK_BEGIN = "work/begin.sql";
    /// Ends it.
    WORK_RELEASE = "work/release.sql";
    /// Undoes it.
    WORK_UNDO = "work/undo.sql";
    /// Writes nothing, to be interrupted.
    WORK_ABANDON = "work/abandon.sql";
    /// Takes part in the transaction.
    ENLIST = "work/enlist.sql";
}

/// What a placeholder of a text stands for; its type says how it is quoted.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A name, to be quoted
    Name(&'a str),
    /// SQL made by this module's functions
    Sql(&'a str),
}

/// Fills the placeholders `{name}` of a text.
pub fn fill(text: &str, parts: &[(&str, Part<'_>)]) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, placeholder, after)) = next_placeholder(rest) {
        filled.push_str(before);
        match parts.iter().find(|(name, _)| *name == placeholder) {
            Some((_, Part::Name(name))) => filled.push_str(&quoted(name)),
            Some((_, Part::Sql(sql))) => filled.push_str(sql),
            None => unreachable!("no part for {{{placeholder}}}"),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (placeholder, after) = rest.split_once('}')?;
    Some((before, placeholder, after))
}

/// A name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `item(0), item(1), ...` with a separator.
pub fn join(separator: &str, items: impl IntoIterator<Item = String>) -> String {
    let mut joined = String::new();
    for item in items {
        if !joined.is_empty() {
            joined.push_str(separator);
        }
        joined.push_str(&item);
    }
    joined
}

/// `row."name"`.
pub fn column_of(row: &str, name: &str) -> String {
    format!("{row}.{}", quoted(name))
}

/// The condition that row `t` has the key in the parameters from `first` on. BINARY, like the key's index,
/// whatever the column's own collation.
pub fn key_matches<'a>(names: impl Iterator<Item = &'a str>, first: usize) -> String {
    let terms = names
        .zip(first..)
        .map(|(name, parameter)| format!("{} = ?{parameter} COLLATE BINARY", column_of("t", name)));
    join(" AND ", terms)
}

/// The parameters `?first, ...`.
pub fn parameters(first: usize, count: usize) -> String {
    let mut list = String::new();
    for parameter in first..first + count {
        let comma = if parameter == first { "" } else { ", " };
        let _ = write!(list, "{comma}?{parameter}");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_sql_is_not() {
        let text = fill(
            "SELECT {c} FROM {t}",
            &[("t", Part::Name("a\"{c}")), ("c", Part::Sql("1"))],
        );
        assert_eq!(text, "SELECT 1 FROM \"a\"\"{c}\"");
    }

    #[test]
    fn key_conditions_number_their_parameters() {
        let condition = key_matches(["a", "b c"].into_iter(), 2);
        assert_eq!(
            condition,
            "t.\"a\" = ?2 COLLATE BINARY AND t.\"b c\" = ?3 COLLATE BINARY"
        );
    }
}
