//! Following the declaration of a table: what `ALTER TABLE` did to its columns is registered at the first
//! write that meets it. The triggers, which a running statement can't change, follow at the commit.

use super::State;
use crate::crdt::change::{ColumnId, TableId};
use crate::crdt::value::{Value, ValueRef};
use crate::error::{Error, Result};
use crate::schema::crr::slot;
use crate::schema::registry::{RegisteredTable, add_column, keep_former_names, write_columns};
use crate::schema::{Column, Crr, Key, late};
use crate::sql;
use std::rc::Rc;

/// Columns that are added in an alter session stand behind all that were there before.
pub const PLACE_IN_SESSION: i64 = 1 << 20;

impl State {
    /// The table with all its columns registered. `newcomer` is a row that was just inserted: a column that
    /// was added before any other row was there is not late.
    pub fn registered(&self, crr: &Rc<Crr>, newcomer: Option<&Key>) -> Result<Rc<Crr>> {
        if !crr.is_unregistered {
            if crr.has_stale_triggers() {
                self.transaction.borrow_mut().note_stale(crr.id);
            }
            return Ok(Rc::clone(crr));
        }
        let has_rows = !crr.added.is_empty() && self.has_rows_beside(crr, newcomer)?;
        let registered = match crr.sessions {
            0 => self.register(crr, has_rows),
            _ => self.register_added(crr, has_rows),
        };
        registered.inspect_err(|_| self.doom())?;
        let mut transaction = self.transaction.borrow_mut();
        transaction.note_stale(crr.id);
        transaction.has_registered = true;
        drop(transaction);
        self.tables.borrow_mut().forget(crr.id);
        Ok(self.table(crr.id)?.unwrap_or_else(|| Rc::clone(crr)))
    }

    /// Registers the columns as they are declared, outside of any session. Where the table has rows, the added
    /// ones are late.
    pub fn register(&self, crr: &Crr, has_rows: bool) -> Result<()> {
        let mut columns = crr.columns.clone();
        columns.extend(self.added_columns(crr, has_rows)?);
        let table = RegisteredTable {
            next_column: crr.next_column + crr.added.len() as u32,
            sessions: 0,
            ..crr.registration()
        };
        let connection = self.store.connection;
        keep_former_names(connection, crr)?;
        write_columns(connection, crr.id, &columns)?;
        table.write(connection, crr.id)?;
        let id = [ValueRef::Integer(crr.id.0)];
        connection.prepare(sql::REMOVE_FORMER_NAMES)?.run(id)?;
        Ok(())
    }

    /// Registers added columns in an alter session. What is registered of the others is what the session
    /// follows them by.
    fn register_added(&self, crr: &Crr, has_rows: bool) -> Result<()> {
        let connection = self.store.connection;
        let Some(mut table) = RegisteredTable::read(connection, crr.id)? else {
            return Ok(());
        };
        for mut column in self.added_columns(crr, has_rows)? {
            column.place += PLACE_IN_SESSION;
            add_column(connection, crr.id, &column)?;
        }
        table.next_column += crr.added.len() as u32;
        table.write(connection, crr.id)
    }

    fn added_columns(&self, crr: &Crr, has_rows: bool) -> Result<Vec<Column>> {
        (crr.next_column..)
            .zip(&crr.added)
            .map(|(id, added)| {
                let late = match has_rows {
                    true => Some(late::filled_with(added)?),
                    false => None,
                };
                Ok(Column {
                    id: ColumnId(id),
                    name: added.name.clone(),
                    affinity: added.affinity,
                    place: added.place,
                    is_captured: false,
                    late,
                })
            })
            .collect()
    }

    /// A replicated table by the name it has, or had when a peer last heard of it.
    pub fn table_by_any_name(&self, name: &str) -> Result<Option<Rc<Crr>>> {
        if let Some(crr) = self.table_by_name(name)? {
            return Ok(Some(crr));
        }
        let former = self.or_empty(|| {
            let mut query = self.store.connection.prepare(sql::FORMER_TABLE)?;
            let name = [ValueRef::Text(name.as_bytes())];
            query.first(name, |row| TableId(row.integer(0)))
        })?;
        former.map_or(Ok(None), |id| self.table(id))
    }

    /// Reads a table anew after its registration was changed.
    pub fn reread(&self, crr: &Crr) -> Result<Rc<Crr>> {
        let read = Crr::load(self.store.connection, crr.id, &crr.name)?;
        read.map(Rc::new).ok_or_else(|| {
            Error::Internal("a table that was just registered is not there".to_owned())
        })
    }

    /// Whether a table holds rows, other than this one.
    pub fn has_rows_beside(&self, crr: &Crr, newcomer: Option<&Key>) -> Result<bool> {
        let (text, values) = match newcomer {
            Some(key) => (sql::HAS_ROWS_BESIDE, crr.key_values(key)?),
            None => (sql::HAS_ROWS, Vec::new()),
        };
        let mut query = self.store.connection.prepare(&crr.row_sql(text, &[]))?;
        let has_rows = query.first(values.iter().map(Value::as_ref), |row| row.integer(0) != 0)?;
        Ok(has_rows.unwrap_or_default())
    }

    /// The late columns that hold their default in a row.
    pub fn late_in_row(&self, crr: &Crr, key: &Key) -> Result<Vec<ColumnId>> {
        if !crr.has_late() {
            return Ok(Vec::new());
        }
        let values = crr.key_values(key)?;
        let text = || crr.late_get_sql();
        let found = crr
            .statements
            .with(slot::LATE_GET, self.store.connection, text, |get| {
                get.first(values.iter().map(Value::as_ref), |row| crr.late_in(row))
            })?;
        Ok(found.unwrap_or_default())
    }

    /// The tables whose triggers are to be made anew before the commit. They stay so until it is done: where a lock was in
    /// its way, the application may go back to a savepoint, and commit then.
    pub fn stale_tables(&self) -> Vec<TableId> {
        self.transaction.borrow().stale_tables.clone()
    }
}
