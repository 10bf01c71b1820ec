//! What `crsql_check` reports: one disagreement between rows and clocks.

use crate::crdt::value::ValueRef;
use crate::schema::{Crr, Key};
use crate::sql;

/// One row of `crsql_check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The table; none for what concerns the whole database
    pub table: Option<String>,
    /// The key; none for what concerns no single row
    pub key: Option<Key>,
    /// What kind of problem it is: few words, the same in every release
    pub kind: &'static str,
    /// What was found, and what to do
    pub detail: String,
}

impl Problem {
    /// A problem of the database.
    pub fn of_database(kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            table: None,
            key: None,
            kind,
            detail: detail.into(),
        }
    }

    /// A problem of a table.
    pub fn of_table(crr: &Crr, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            table: Some(crr.name.clone()),
            ..Problem::of_database(kind, detail)
        }
    }

    /// A problem of a row.
    pub fn of_row(crr: &Crr, key: &Key, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            key: Some(key.clone()),
            ..Problem::of_table(crr, kind, detail)
        }
    }

    /// The key as SQL literals: `1, 'a'`.
    pub fn readable_key(&self) -> Option<String> {
        Some(match self.key.as_ref()? {
            Key::Rowid(rowid) => rowid.to_string(),
            Key::Packed(packed) => match crate::crdt::key::unpack(packed) {
                Ok(values) => sql::join(
                    ", ",
                    values
                        .iter()
                        .map(|value| sql::value_literal(value.as_ref())),
                ),
                Err(_) => sql::value_literal(ValueRef::Blob(packed)),
            },
        })
    }
}
