//! What is registered of a replicated table: `crsql_tables` and `crsql_columns`.

use super::crr::{Column, Crr};
use crate::crdt::change::{ColumnId, TableId};
use crate::crdt::key;
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::sql;
use crate::sqlite::Connection;

/// A row of `crsql_tables`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredTable {
    /// Its name when the triggers were made
    pub name: String,
    /// Its key then, as `Crr::key_description` says it
    pub key: Vec<u8>,
    /// The id of the next new column
    pub next_column: u32,
    /// Open alter sessions
    pub sessions: u32,
}

/// A row of `crsql_columns`.
#[derive(Debug, Clone)]
pub struct RegisteredColumn {
    /// Its id
    pub id: ColumnId,
    /// Its name then
    pub name: String,
    /// Its place among the declared columns then
    pub place: i64,
    /// Whether the triggers name it
    pub is_captured: bool,
    /// What a late column was filled with
    pub late: Option<Value>,
}

impl RegisteredTable {
    /// Reads a table's row; none if it is not registered.
    pub fn read(connection: Connection, id: TableId) -> Result<Option<RegisteredTable>> {
        let argument = [ValueRef::Integer(id.0)];
        connection.prepare(sql::TABLE)?.first(argument, |row| {
            let key = match row.value(1) {
                ValueRef::Blob(key) => key.to_vec(),
                _ => Vec::new(),
            };
            RegisteredTable {
                name: row.text(0),
                key,
                next_column: row.integer(2) as u32,
                sessions: row.integer(3) as u32,
            }
        })
    }

    /// Writes a table's row.
    pub fn write(&self, connection: Connection, id: TableId) -> Result<()> {
        connection.prepare(sql::SET_TABLE)?.run([
            ValueRef::Integer(id.0),
            ValueRef::Text(self.name.as_bytes()),
            ValueRef::Blob(&self.key),
            ValueRef::Integer(i64::from(self.next_column)),
            ValueRef::Integer(i64::from(self.sessions)),
        ])?;
        Ok(())
    }

    /// Adds a table and gives its id.
    pub fn add(&self, connection: Connection) -> Result<TableId> {
        let values = [
            ValueRef::Text(self.name.as_bytes()),
            ValueRef::Blob(&self.key),
            ValueRef::Integer(i64::from(self.next_column)),
        ];
        let id = connection
            .prepare(sql::ADD_TABLE)?
            .first(values, |row| TableId(row.integer(0)))?;
        id.ok_or_else(|| Error::Internal("a table that was just registered has no id".to_owned()))
    }
}

impl RegisteredColumn {
    /// Reads a table's columns in the order of their places.
    pub fn read_all(connection: Connection, table: TableId) -> Result<Vec<RegisteredColumn>> {
        let mut rows = connection.prepare(sql::COLUMNS)?;
        rows.bind(1, ValueRef::Integer(table.0))?;
        let mut columns = Vec::new();
        while rows.step()? {
            let is_late = rows.integer(4) != 0;
            columns.push(RegisteredColumn {
                id: ColumnId(rows.integer(0) as u32),
                name: rows.text(1),
                place: rows.integer(2),
                is_captured: rows.integer(3) != 0,
                late: is_late.then(|| rows.value(5).to_owned()),
            });
        }
        columns.sort_by_key(|column| column.place);
        Ok(columns)
    }
}

/// The former names of a table's columns.
pub fn former_names(connection: Connection, table: TableId) -> Result<Vec<(String, ColumnId)>> {
    let mut rows = connection.prepare(sql::FORMER_COLUMNS)?;
    rows.bind(1, ValueRef::Integer(table.0))?;
    let mut names = Vec::new();
    while rows.step()? {
        names.push((rows.text(0), ColumnId(rows.integer(1) as u32)));
    }
    Ok(names)
}

/// Keeps the names that `crr` and its columns are registered under, where they are called otherwise now.
pub fn keep_former_names(connection: Connection, crr: &Crr) -> Result<()> {
    let mut add = connection.prepare(sql::ADD_FORMER_NAME)?;
    let mut keep = |name: &str, column: i64| {
        add.run([
            ValueRef::Text(name.as_bytes()),
            ValueRef::Integer(crr.id.0),
            ValueRef::Integer(column),
        ])
    };
    let table = RegisteredTable::read(connection, crr.id)?;
    if let Some(table) = table.filter(|table| table.name != crr.name) {
        keep(&table.name, THE_TABLE)?;
    }
    for old in RegisteredColumn::read_all(connection, crr.id)? {
        let column = crr.column_by_id(old.id).map(|index| &crr.columns[index]);
        if column.is_some_and(|column| column.name != old.name) {
            keep(&old.name, i64::from(old.id.0))?;
        }
    }
    Ok(())
}

/// Stands for the column in a former name of a table.
const THE_TABLE: i64 = -1;

/// Replaces the registered columns of a table by these.
pub fn write_columns(connection: Connection, table: TableId, columns: &[Column]) -> Result<()> {
    connection
        .prepare(sql::REMOVE_COLUMNS)?
        .run([ValueRef::Integer(table.0)])?;
    columns
        .iter()
        .try_for_each(|column| add_column(connection, table, column))
}

/// Adds a registered column.
pub fn add_column(connection: Connection, table: TableId, column: &Column) -> Result<()> {
    connection.prepare(sql::ADD_COLUMN)?.run([
        ValueRef::Integer(table.0),
        ValueRef::Integer(i64::from(column.id.0)),
        ValueRef::Text(column.name.as_bytes()),
        ValueRef::Integer(column.place),
        ValueRef::Integer(i64::from(column.is_captured)),
        ValueRef::Integer(i64::from(column.late.is_some())),
        column.late.as_ref().map_or(ValueRef::Null, Value::as_ref),
    ])?;
    Ok(())
}

impl Crr {
    /// What makes two declarations' keys the same: the kind of key, and the names of its columns.
    pub fn key_description(&self) -> Vec<u8> {
        let kind = ValueRef::Integer(i64::from(self.is_rowid_keyed));
        let names = self.key_names().map(|name| ValueRef::Text(name.as_bytes()));
        let mut packed = Vec::new();
        std::iter::once(kind)
            .chain(names)
            .for_each(|value| key::pack_value(&mut packed, value));
        packed
    }
}
