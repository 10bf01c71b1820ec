//! Following the declaration of a table: what `ALTER TABLE` did to its columns is registered at the first
//! write that meets it. The triggers, which a running statement can't change, follow at the commit.

use super::State;
use crate::crdt::change::{ColumnId, TableId};
use crate::crdt::value::Value;
use crate::error::{Error, Result};
use crate::schema::crr::slot;
use crate::schema::inspect::DeclaredColumn;
use crate::schema::registry::write_columns;
use crate::schema::{Column, Crr, Key};
use crate::sql::{self, Part};
use std::rc::Rc;

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
        let is_filled = !crr.added.is_empty() && !self.is_empty_but(crr, newcomer)?;
        self.register(crr, is_filled).inspect_err(|_| self.doom())?;
        let mut transaction = self.transaction.borrow_mut();
        transaction.note_stale(crr.id);
        transaction.has_registered = true;
        drop(transaction);
        self.tables.borrow_mut().forget(crr.id);
        Ok(self.table(crr.id)?.unwrap_or_else(|| Rc::clone(crr)))
    }

    /// Registers the columns as they are declared. Where the table has rows, the added ones are late.
    pub fn register(&self, crr: &Crr, has_rows: bool) -> Result<()> {
        let connection = self.store.connection;
        let mut table = crr.registration();
        let mut columns = crr.columns.clone();
        for added in &crr.added {
            let late = if has_rows {
                Some(self.default_of(added)?)
            } else {
                None
            };
            columns.push(Column {
                id: ColumnId(table.next_column),
                name: added.name.clone(),
                affinity: added.affinity,
                place: added.place,
                is_captured: false,
                late,
            });
            table.next_column += 1;
        }
        write_columns(connection, crr.id, &columns)?;
        table.write(connection, crr.id)
    }

    /// Reads a table anew after its registration was changed.
    pub fn reread(&self, crr: &Crr) -> Result<Rc<Crr>> {
        let read = Crr::load(self.store.connection, crr.id, &crr.name)?;
        read.map(Rc::new).ok_or_else(|| {
            Error::Internal("a table that was just registered is not there".to_owned())
        })
    }

    /// Whether a table holds no row, or no other than this one.
    fn is_empty_but(&self, crr: &Crr, newcomer: Option<&Key>) -> Result<bool> {
        let (text, values) = match newcomer {
            Some(key) => (sql::IS_EMPTY_BUT, crr.key_values(key)?),
            None => (sql::IS_EMPTY, Vec::new()),
        };
        let mut query = self.store.connection.prepare(&crr.row_sql(text, &[]))?;
        let is_empty = query.first(values.iter().map(Value::as_ref), |row| row.integer(0) != 0)?;
        Ok(is_empty.unwrap_or_default())
    }

    /// The value that `ADD COLUMN` gave to the rows that were there. SQLite lets it be constant only.
    fn default_of(&self, column: &DeclaredColumn) -> Result<Value> {
        let Some(text) = &column.default else {
            return Ok(Value::Null);
        };
        let query = sql::fill(sql::DEFAULT, &[("default", Part::Sql(text))]);
        let evaluated = self
            .store
            .connection
            .prepare(&query)
            .and_then(|mut query| query.first([], |row| row.value(0).to_owned()));
        let value = match evaluated {
            Ok(value) => value.unwrap_or(Value::Null),
            // A bare or a quoted name is a text here.
            Err(_) => {
                let name = sql::quoted_list(text).pop().unwrap_or_else(|| text.clone());
                Value::Text(name.into_bytes())
            }
        };
        self.store.with_affinity(value, column.affinity)
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

    /// The tables whose triggers are to be made anew before the commit.
    pub fn take_stale_tables(&self) -> Vec<TableId> {
        std::mem::take(&mut self.transaction.borrow_mut().stale_tables)
    }
}
