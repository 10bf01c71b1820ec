//! The triggers that capture writes to a replicated table.

use super::crr::{Column, Crr};
use super::late;
use crate::crdt::change::TableId;
use crate::crdt::value::{Affinity, ValueRef};
use crate::error::Result;
use crate::sql::{self, Part, column_of, join, quoted};
use crate::sqlite::Connection;

/// The arguments before the key: the database and the table.
pub const IDENTITY_ARGUMENTS: usize = 2;

/// SQLite allows 127 arguments to a function by default; keys of more columns than this are packed into few.
const KEY_ARGUMENTS_MAX: usize = 40;

/// So many columns are packed by one call.
const COLUMNS_PER_PACK: usize = 100;

/// So many columns fit one bit set, which must not reach the sign.
pub const COLUMNS_PER_SET: usize = 62;

/// So many arguments the triggers give to a function at most where it is left to them: SQLite allows 127, an
/// application may allow fewer.
const ARGUMENTS_MAX: usize = 100;

/// The functions of the triggers of updates: what changed is told by the values, or as a set.
const UPDATE_BY_VALUES: &str = "crsql_capture_update";
const UPDATE_BY_SET: &str = "crsql_capture_update_set";

/// The names that SQLite understands for the rowid.
pub const ROWID_NAMES: [&str; 3] = ["rowid", "oid", "_rowid_"];

/// How a trigger hands the key to the capture functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyArguments {
    /// One argument a column
    Plain(usize),
    /// So many arguments of several packed columns each
    Packed(usize),
}

impl KeyArguments {
    /// The form for a key of `columns` columns.
    pub fn of(columns: usize) -> KeyArguments {
        if columns <= KEY_ARGUMENTS_MAX {
            KeyArguments::Plain(columns)
        } else {
            KeyArguments::Packed(columns.div_ceil(COLUMNS_PER_PACK))
        }
    }

    /// How many arguments there are.
    pub fn count(self) -> usize {
        match self {
            KeyArguments::Plain(count) | KeyArguments::Packed(count) => count,
        }
    }
}

/// When the triggers are to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While the columns stay the same
    Steady,
    /// In an alter session, while columns come and go
    Session,
}

/// Part of the names of the triggers that name columns: what SQLite says when they keep a column from being
/// dropped.
const DROP_HINT: &str = " (to drop a column, call crsql_begin_alter first)";

/// The statements that make the triggers. `database` is the database's own number: a trigger of an attached
/// database would otherwise be taken for one of `main`.
pub fn creation(crr: &Crr, database: i64, phase: Phase) -> Vec<String> {
    let identity = format!("{database}, {}", crr.id.0);
    let (old_key, new_key) = (key_arguments(crr, "OLD"), key_arguments(crr, "NEW"));
    let key_is_new = join(
        " AND ",
        crr.key_columns.iter().map(|column| {
            let new = column_of("NEW", &column.name);
            format!(
                "{} = {new} COLLATE BINARY",
                column_of("there", &column.name)
            )
        }),
    );
    let key_differs = join(
        " OR ",
        crr.key_columns.iter().map(|column| {
            let (old, new) = (
                column_of("OLD", &column.name),
                column_of("NEW", &column.name),
            );
            format!("{old} IS NOT {new} COLLATE BINARY")
        }),
    );
    let key_names = join(", ", crr.key_names().chain(ROWID_NAMES).map(quoted));
    let late_of = |row: &str| match phase {
        Phase::Steady => late_sets(&crr.columns, row),
        Phase::Session => String::new(),
    };
    let (old_late, new_late) = (late_of("OLD"), late_of("NEW"));
    let are_values_few = tells_values(crr);
    let update = match are_values_few {
        true => UPDATE_BY_VALUES,
        false => UPDATE_BY_SET,
    };
    let make = |text: &str, event: &str, of: &str, changed: &str| {
        let is_update = text == sql::TRIGGER_UPDATE;
        let hint = if is_update { DROP_HINT } else { "" };
        let late = if is_update { &old_late } else { &new_late };
        let parts = [
            (
                "trigger",
                Part::Name(&format!("crsql_{}_{event}{hint}", crr.id.0)),
            ),
            ("late", Part::Sql(late)),
            ("columns", Part::Sql(of)),
            ("table", Part::Name(&crr.name)),
            ("identity", Part::Sql(&identity)),
            ("old_key", Part::Sql(&old_key)),
            ("new_key", Part::Sql(&new_key)),
            ("key_is_new", Part::Sql(&key_is_new)),
            ("key_differs", Part::Sql(&key_differs)),
            ("key_names", Part::Sql(&key_names)),
            ("of", Part::Sql(of)),
            ("update", Part::Sql(update)),
            ("changed", Part::Sql(changed)),
        ];
        sql::fill(text, &parts)
    };
    // Those with the hint come first: SQLite names the first that keeps a column from going.
    let mut statements = Vec::new();
    if phase == Phase::Session {
        statements.push(make(sql::TRIGGER_SESSION_BEFORE, "before", "", ""));
        statements.push(make(sql::TRIGGER_SESSION_AFTER, "after", "", ""));
        let mut columns: Vec<&Column> = crr.columns.iter().collect();
        columns.sort_by_key(|column| column.place);
        if !columns.is_empty() {
            let names = join(", ", columns.iter().map(|column| quoted(&column.name)));
            statements.push(make(sql::TRIGGER_SESSION_COLUMNS, "columns", &names, ""));
        }
    } else if crr.columns.len() <= COLUMNS_PER_SET {
        let changed = match are_values_few {
            true => changed_values(&crr.columns),
            false => changed_set(0, &crr.columns),
        };
        statements.push(make(sql::TRIGGER_UPDATE, "update", "", &changed));
    } else {
        // Of all updates: also of columns that are added later.
        statements.push(make(sql::TRIGGER_UPDATE, "update", "", ""));
        // SQLite runs the latest trigger first: made from the end on, they record in the order of the columns.
        for (set, columns) in crr.columns.chunks(COLUMNS_PER_SET).enumerate().rev() {
            let names = join(", ", columns.iter().map(|column| quoted(&column.name)));
            let changed = changed_set(set * COLUMNS_PER_SET, columns);
            statements.push(make(
                sql::TRIGGER_UPDATE,
                &format!("update_{set}"),
                &format!(" OF {names}"),
                &changed,
            ));
        }
    }
    statements.extend([
        make(sql::TRIGGER_EXISTING, "existing", "", ""),
        make(sql::TRIGGER_INSERT, "insert", "", ""),
        make(sql::TRIGGER_DISPLACE, "displace", "", ""),
        make(sql::TRIGGER_DELETE, "delete", "", ""),
    ]);
    statements.extend(rowid_guards(crr));
    statements
}

/// The triggers that keep a rowid which is no key from being taken by another row.
fn rowid_guards(crr: &Crr) -> Vec<String> {
    let Some(rowid) = crr.rowid_names.first() else {
        return Vec::new();
    };
    let differs = crr.key_names().map(|name| {
        let (there, new) = (column_of("there", name), column_of("NEW", name));
        format!("{there} IS NOT {new} COLLATE BINARY")
    });
    let is_taken = format!(
        "NEW.{rowid} <> -1 AND EXISTS (SELECT 1 FROM {} AS there WHERE there.{rowid} = NEW.{rowid} AND ({}))",
        quoted(&crr.name),
        join(" OR ", differs)
    );
    let refusal = sql::literal(&format!(
        "crsql: a row of table {} was given the rowid of another, which would remove that row unrecorded; \
         leave the rowid to SQLite",
        quoted(&crr.name)
    ));
    let guards = [
        (sql::TRIGGER_ROWID_INSERT, "rowid_insert"),
        (sql::TRIGGER_ROWID_UPDATE, "rowid_update"),
    ];
    let make = |(text, event): (&str, &str)| {
        let parts = [
            (
                "trigger",
                Part::Name(&format!("crsql_{}_{event}", crr.id.0)),
            ),
            ("table", Part::Name(&crr.name)),
            ("rowid", Part::Sql(rowid)),
            ("rowid_names", Part::Sql(&crr.rowid_names.join(", "))),
            ("is_taken", Part::Sql(&is_taken)),
            ("refusal", Part::Sql(&refusal)),
        ];
        sql::fill(text, &parts)
    };
    guards.into_iter().map(make).collect()
}

/// The names by which a table's columns go in an alter session, in the order of their former places; none
/// outside of one.
pub fn marked_columns(connection: Connection, id: TableId) -> Result<Option<Vec<String>>> {
    let text = connection
        .prepare(sql::MARKED_COLUMNS)?
        .first([ValueRef::Integer(id.0)], |row| row.text(0))?;
    let list = text
        .as_deref()
        .and_then(|text| text.split_once(" UPDATE OF "));
    Ok(list.map(|(_, list)| sql::quoted_list(list)))
}

/// `, bits, ...`: for each late column whether it holds its default.
fn late_sets(columns: &[Column], row: &str) -> String {
    let late: Vec<&Column> = columns
        .iter()
        .filter(|column| column.late.is_some())
        .collect();
    let sets = late.chunks(COLUMNS_PER_SET).map(|columns| {
        let bits = columns.iter().enumerate().filter_map(|(bit, column)| {
            let cell = column_of(row, &column.name);
            let holds = late::holds_sql(&cell, column.late.as_ref()?);
            Some(format!("(({holds}) << {bit})"))
        });
        format!(", {}", join(" | ", bits))
    });
    sets.collect()
}

fn key_arguments(crr: &Crr, row: &str) -> String {
    let columns: Vec<String> = crr
        .key_columns
        .iter()
        .map(|c| column_of(row, &c.name))
        .collect();
    match KeyArguments::of(columns.len()) {
        KeyArguments::Plain(_) => columns.join(", "),
        KeyArguments::Packed(_) => join(
            ", ",
            columns
                .chunks(COLUMNS_PER_PACK)
                .map(|chunk| format!("crsql_pack_columns({})", chunk.join(", "))),
        ),
    }
}

/// Whether the trigger of updates hands over the values themselves, which is quickest where they are few.
fn tells_values(crr: &Crr) -> bool {
    let keys = 2 * KeyArguments::of(crr.key_columns.len()).count();
    let late = crr.columns.iter().filter(|column| column.late.is_some());
    let sets = late.count().div_ceil(COLUMNS_PER_SET);
    IDENTITY_ARGUMENTS + keys + sets + 2 * crr.columns.len() <= ARGUMENTS_MAX
}

/// `, old, new, ...`: each column as it was and as it is.
fn changed_values(columns: &[Column]) -> String {
    let pairs = columns.iter().map(|column| {
        let (old, new) = (
            column_of("OLD", &column.name),
            column_of("NEW", &column.name),
        );
        format!(", {old}, {new}")
    });
    pairs.collect()
}

/// `, first, bits`: for each column whether it changed, storage class and bytes.
fn changed_set(first: usize, columns: &[Column]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let bits = columns.iter().enumerate().map(|(bit, column)| {
        let (old, new) = (column_of("OLD", &column.name), column_of("NEW", &column.name));
        let differs = format!("{old} IS NOT {new} COLLATE BINARY");
        let changed = match column.affinity {
            Affinity::Text | Affinity::Real => differs,
            // Here 1 and 1.0 can both be stored.
            Affinity::None => format!("{differs} OR typeof({old}) <> typeof({new})"),
            // Of all numbers only this one is stored as a real beside the equal integer.
            Affinity::Numeric => format!(
                "CASE WHEN {differs} THEN 1 WHEN {old} = {} THEN typeof({old}) <> typeof({new}) ELSE 0 END",
                i64::MIN
            ),
        };
        format!("(({changed}) << {bit})")
    });
    format!(", {first}, {}", join(" | ", bits))
}
