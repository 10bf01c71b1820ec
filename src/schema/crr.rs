//! A replicated table as the rest of the extension sees it.

use super::inspect::{DeclaredColumn, DeclaredTable};
use super::key::{self, Key};
use super::triggers::KeyArguments;
use crate::crdt::change::{ColumnId, TableId};
use crate::crdt::key as packed_key;
use crate::crdt::value::{Affinity, Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql::{self, Part};
use crate::sqlite::Connection;
use crate::sqlite::statement::StatementCache;
use crate::sqlite::value::Arguments;
use hashbrown::HashMap;

/// A replicated column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its id in clock records
    pub id: ColumnId,
    /// Its name
    pub name: String,
    /// What SQLite does to values stored in it
    pub affinity: Affinity,
}

/// A column of the primary key.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// Its name
    pub name: String,
    /// What SQLite does to values stored in it
    pub affinity: Affinity,
}

/// A column that makes the declaration differ from what was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// It is there and not registered
    Added(String),
    /// It is registered and not there
    Missing(String),
}

/// A replicated table, as it was registered and as it is declared.
#[derive(Debug)]
pub struct Crr {
    /// Its id in the log
    pub id: TableId,
    /// Its name
    pub name: String,
    /// Whether rows are known by their rowid
    pub is_rowid_keyed: bool,
    /// The names for the rowid, if the table has one beside its key
    pub rowid_names: Vec<&'static str>,
    /// The columns of the key, in the order of the PRIMARY KEY clause
    pub key_columns: Vec<KeyColumn>,
    /// The replicated columns, in ascending order of their ids
    pub columns: Vec<Column>,
    /// What was changed in the table since it was registered, if anything was
    pub drift: Option<Drift>,
    /// The compiled statements on clock records, and those that read rows
    pub statements: StatementCache,
    /// The compiled statements that write rows; the application's triggers are part of them
    pub writes: StatementCache,
    by_name: HashMap<String, usize>,
}

/// The slots of `Crr::statements`.
pub mod slot {
    /// Reads a record
    pub const CLOCK_GET: usize = 0;
    /// Writes a record
    pub const CLOCK_PUT: usize = 1;
    /// Finds the greatest key
    pub const CLOCK_LAST: usize = 2;
    /// Reads a row
    pub const ROW_GET: usize = 3;
    /// Looks for a row
    pub const ROW_EXISTS: usize = 4;
    /// Reads the records from a key on
    pub const CLOCK_SCAN: usize = 5;
}

/// The slots of `Crr::writes`.
pub mod write_slot {
    /// Removes a row
    pub const ROW_DELETE: usize = 0;
    /// Makes a row of its key alone
    pub const ROW_INSERT_BARE: usize = 1;
    /// From here on two for each column: makes a row with that cell, writes that cell
    pub const COLUMNS: usize = 2;
}

/// The table of a table's clock records.
pub fn rows_table(id: TableId) -> String {
    format!("crsql_rows_{}", id.0)
}

fn value_columns(declared: &DeclaredTable) -> Vec<&DeclaredColumn> {
    declared.value_columns().collect()
}

impl Crr {
    /// A table to be registered under `id`.
    pub fn new(id: TableId, declared: &DeclaredTable) -> Crr {
        let columns = value_columns(declared);
        let registered = (0..).zip(columns.iter().map(|column| column.name.clone()));
        Crr::assemble(id, declared, registered.collect())
    }

    /// Reads a registered table; none if it is gone.
    pub fn load(connection: Connection, id: TableId, name: &str) -> Result<Option<Crr>> {
        let Some(declared) = DeclaredTable::read(connection, name)? else {
            return Ok(None);
        };
        let mut registered = Vec::new();
        let mut statement = connection.prepare(sql::COLUMNS)?;
        statement.bind(1, ValueRef::Integer(id.0))?;
        while statement.step()? {
            registered.push((statement.integer(0) as u32, statement.text(1)));
        }
        Ok(Some(Crr::assemble(id, &declared, registered)))
    }

    fn assemble(id: TableId, declared: &DeclaredTable, registered: Vec<(u32, String)>) -> Crr {
        let declared_columns = value_columns(declared);
        let columns: Vec<Column> = registered
            .iter()
            .filter_map(|(id, name)| {
                let column = declared_columns
                    .iter()
                    .find(|column| column.name == *name)?;
                Some(Column {
                    id: ColumnId(*id),
                    name: name.clone(),
                    affinity: column.affinity,
                })
            })
            .collect();
        let key_columns = declared.key_columns().into_iter().map(|column| KeyColumn {
            name: column.name.clone(),
            affinity: column.affinity,
        });
        let by_name = columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.to_ascii_lowercase(), index));
        Crr {
            id,
            name: declared.name.clone(),
            is_rowid_keyed: declared.is_rowid_keyed,
            rowid_names: declared.rowid_names.clone(),
            key_columns: key_columns.collect(),
            drift: drift(&registered, &declared_columns),
            statements: StatementCache::default(),
            writes: StatementCache::default(),
            by_name: by_name.collect(),
            columns,
        }
    }

    /// A replicated column by name, in any ASCII case, with its index in `columns`.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        let index = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => *self.by_name.get(name.to_ascii_lowercase().as_str())?,
            false => *self.by_name.get(name)?,
        };
        Some((index, &self.columns[index]))
    }

    /// The seqs that a first insert reserves: one a column, or one for the row where there is none.
    pub fn insert_stride(&self) -> u64 {
        self.columns.len().max(1) as u64
    }

    /// Fills a text on the table of clock records.
    pub fn clock_sql(&self, text: &str) -> String {
        sql::fill(text, &[("rows", Part::Name(&rows_table(self.id)))])
    }

    /// Fills a text on the table itself.
    pub fn row_sql(&self, text: &str, parts: &[(&str, Part<'_>)]) -> String {
        let key_matches = sql::key_matches(self.key_names(), 1);
        let own = [
            ("table", Part::Name(&self.name)),
            ("key_matches", Part::Sql(&key_matches)),
        ];
        sql::fill(text, &[&own[..], parts].concat())
    }

    /// The ids of the replicated columns.
    pub fn column_ids(&self) -> impl Iterator<Item = ColumnId> {
        self.columns.iter().map(|column| column.id)
    }

    /// The query for the replicated columns of a row, in their order.
    pub fn row_get_sql(&self) -> String {
        let columns = match self.columns.is_empty() {
            true => "1".to_owned(),
            false => sql::join(
                ", ",
                self.columns
                    .iter()
                    .map(|column| sql::column_of("t", &column.name)),
            ),
        };
        self.row_sql(sql::ROW_GET, &[("columns", Part::Sql(&columns))])
    }

    /// The names of the key columns.
    pub fn key_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.key_columns.iter().map(|column| column.name.as_str())
    }

    /// How triggers hand over keys.
    pub fn key_arguments(&self) -> KeyArguments {
        KeyArguments::of(self.key_columns.len())
    }

    /// The key in a trigger's arguments.
    pub fn key_of(&self, arguments: Arguments<'_>) -> Result<Key> {
        match self.key_arguments() {
            KeyArguments::Plain(count) => self.key_of_values(arguments.take(count).iter()),
            KeyArguments::Packed(count) => {
                let mut values = Vec::with_capacity(self.key_columns.len());
                for part in arguments.take(count).iter() {
                    let ValueRef::Blob(packed) = part else {
                        return Err(self.changed_error("a trigger"));
                    };
                    values.extend(
                        key::unpacked(packed).ok_or_else(|| self.changed_error("a trigger"))?,
                    );
                }
                self.key_of_values(values.iter().map(Value::as_ref))
            }
        }
    }

    /// The key made of stored or converted values.
    pub fn key_of_values<'a>(
        &self,
        values: impl ExactSizeIterator<Item = ValueRef<'a>>,
    ) -> Result<Key> {
        let mut packed = Vec::new();
        if !self.is_rowid_keyed {
            packed.reserve(48);
            packed.push(self.key_columns.len() as u8);
        }
        for (value, column) in values.zip(&self.key_columns) {
            let value = key::canonical(value, column.affinity);
            match value {
                ValueRef::Integer(rowid) if self.is_rowid_keyed => return Ok(Key::Rowid(rowid)),
                ValueRef::Text(text) if std::str::from_utf8(text).is_err() => {
                    return Err(Error::Table(format!(
                        "the key column {} of table {} holds text that is not valid UTF-8; store it as a BLOB",
                        sql::quoted(&column.name),
                        sql::quoted(&self.name)
                    )));
                }
                _ => packed_key::pack_value(&mut packed, value),
            }
        }
        if self.is_rowid_keyed {
            return Err(self.changed_error("the key"));
        }
        Ok(Key::Packed(packed))
    }

    /// The values of a key, for binding.
    pub fn key_values(&self, key: &Key) -> Result<Vec<Value>> {
        match key {
            Key::Rowid(rowid) => Ok(vec![Value::Integer(*rowid)]),
            Key::Packed(packed) => key::unpacked(packed).ok_or_else(|| {
                Error::Corrupt(format!(
                    "a key recorded for table {} is damaged",
                    sql::quoted(&self.name)
                ))
            }),
        }
    }

    /// Stops writes to a table whose declaration is no longer the registered one.
    pub fn check_drift(&self) -> Result<()> {
        match &self.drift {
            None => Ok(()),
            Some(Drift::Added(name) | Drift::Missing(name)) => {
                Err(self.changed_error(&format!("the column {}", sql::quoted(name))))
            }
        }
    }

    /// Stops reading the changes of a table that lacks a column they are about.
    pub fn check_readable(&self) -> Result<()> {
        match &self.drift {
            Some(Drift::Missing(_)) => self.check_drift(),
            _ => Ok(()),
        }
    }

    fn changed_error(&self, what: &str) -> Error {
        Error::Table(format!(
            "{what} of table {} changed since crsql_as_crr, which this release can't follow; \
             undo that change of the schema",
            sql::quoted(&self.name)
        ))
    }
}

/// What differs between the registered and the declared columns.
fn drift(registered: &[(u32, String)], declared: &[&DeclaredColumn]) -> Option<Drift> {
    let is_registered = |name: &str| registered.iter().any(|(_, known)| known == name);
    let is_declared = |name: &str| declared.iter().any(|column| column.name == name);
    let missing = registered
        .iter()
        .map(|(_, name)| name)
        .find(|name| !is_declared(name));
    let added = declared
        .iter()
        .map(|column| &column.name)
        .find(|name| !is_registered(name));
    missing
        .cloned()
        .map(Drift::Missing)
        .or(added.cloned().map(Drift::Added))
}
